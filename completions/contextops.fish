# Completion of contextops in fish. It starts no program unless the config file was edited by hand:
# then it runs "contextops completion --names" once.
#
# generate.py writes what is between the two marks; the rest is written by hand.

# Set __contextops_command ("chat send") and __contextops_arguments to what the line names so far.
function __contextops_line
    set -l tokens (commandline -opc)
    set -e tokens[1]
    # Every condition asks; the line is read once.
    set -l typed "typed: "(string escape -- $tokens | string join ' ')
    test "$typed" = "$__contextops_typed"
    and return
    set -g __contextops_typed $typed
    set -g __contextops_command ''
    set -g __contextops_arguments
    set -l with_value (__contextops_with_value '')
    set -l pending
    set -l ended
    for token in $tokens
        if set -q pending[1]
            set pending
        else if set -q ended[1]; or not string match -q -- '-?*' $token
            if contains -- "$__contextops_command" $__contextops_groups
                set __contextops_command (string trim -- "$__contextops_command $token")
                set with_value (__contextops_with_value $__contextops_command)
                set ended
            else
                set -a __contextops_arguments $token
            end
        else if test "x$token" = x--
            set ended yes
        else if string match -qr -- '^--[^=]*$' $token
            contains -- $token $with_value
            and set pending yes
        else if not string match -q -- '--*' $token
            # Letters may share a dash, and the last of them takes the value: -nmMODEL, -nm MODEL.
            set -l letters (string sub -s 2 -- $token)
            while test -n "$letters"
                set -l option -(string sub -l 1 -- $letters)
                set letters (string sub -s 2 -- $letters)
                if contains -- $option $with_value
                    test -z "$letters"
                    and set pending yes
                    break
                end
            end
        end
    end
end

# Succeed if the line is in a command and, if a position is given, at this argument of it: 1 is
# the first, and 1+ the first or a later one.
function __contextops_in -a command position
    __contextops_line
    test "$__contextops_command" = "$command"
    or return
    set -l at (math (count $__contextops_arguments) + 1)
    switch "$position"
        case ''
            return 0
        case '*+'
            test $at -ge (string replace + '' $position)
        case '*'
            test $at -eq $position
    end
end

function __contextops_in_any
    __contextops_line
    contains -- "$__contextops_command" $__contextops_commands
end

function __contextops_in_online
    __contextops_line
    contains -- "$__contextops_command" $__contextops_online
end

function __contextops_profiles
    __contextops_names profile
    or printf '%s\n' default local
end

function __contextops_templates
    __contextops_names template
end

# Print the path of something in contextops' folder below a user's folder: NAME DEFAULT [FOLDER].
function __contextops_path
    set -l folder $argv[2]
    string match -q '/*' -- "$argv[3]"
    and set folder (string replace -r '/$' '' -- $argv[3])
    echo $folder/contextops/$argv[1]
end

# Print the path of the config file in use; fail if it cannot be read.
function __contextops_config
    set -l file $CONTEXTOPS_CONFIG
    if test -z "$file"
        set file (__contextops_path config.toml ~/.config $XDG_CONFIG_HOME)
    else if not string match -q '/*' -- $file
        set file $PWD/$file
    end
    test -f $file -a -r $file
    and echo $file
end

# Print the names of a KIND (profile, template, in_use) in the list that contextops writes whenever
# it reads or changes the config file; fail if there are none.
function __contextops_names -a kind
    set -l config (__contextops_config)
    or return
    set -l list (__contextops_path names ~/.cache $XDG_CACHE_HOME)
    if not __contextops_is_current $config $list; and test "$__contextops_refreshed" != "$config"
        command contextops completion --names </dev/null >/dev/null 2>&1
        # Where that does not help, it is not tried again with each TAB.
        __contextops_is_current $config $list
        or set -g __contextops_refreshed $config
    end
    __contextops_is_current $config $list
    and string replace -rf "^$kind (.*)" '$1' <$list
end

# Succeed if the list is of this config file, and newer than it.
function __contextops_is_current -a config list
    test -f $list -a -r $list
    or return
    test $config -nt $list
    and return 1
    read -l first <$list
    test "$first" = "$config"
end

# Print the names of the saved conversations; a path to one is a file.
function __contextops_sessions
    if string match -q '*/*' -- (__contextops_typed $argv)
        __contextops_file $argv
        return
    end
    set -l files (__contextops_path '' ~/.local/state $XDG_STATE_HOME)*.jsonl
    set -q files[1]
    and string replace -r '^.*/(.*)\.jsonl$' '$1' -- $files
end

# Print the ids that "contextops models list" showed last for the profile in use.
function __contextops_models
    set -l profile $CONTEXTOPS_PROFILE
    set -l before
    for token in (commandline -opc)
        test "x$before" = x--profile
        and set profile $token
        switch $token
            case '--profile=*'
                set profile (string replace -r '^[^=]*=' '' -- $token)
            case --local
                set profile local
        end
        set before $token
    end
    test -n "$profile"
    or set profile (__contextops_names in_use)
    test -n "$profile"
    or set profile default
    set -l file (__contextops_path models/$profile[1] ~/.cache $XDG_CACHE_HOME)
    test -f $file -a -r $file
    and string match -r '.+' <$file
end

# Print the beginning of a value: the argument, or the word at the cursor without its option.
function __contextops_typed
    set -q argv[1]
    and printf '%s\n' $argv
    or string replace -r '^(?:--[^=]*=|-\w)' '' -- (string unescape -- (commandline -ct))
end

function __contextops_file
    complete -C "'' "(string escape -- (__contextops_typed $argv))
end

function __contextops_at_file
    set -l parts (string match -r '^@(.*)' -- (__contextops_typed $argv))
    and __contextops_file "$parts[2]" | string replace -r '^' @
end

function __contextops_form
    set -l parts (string match -r '^([^=]+=@)(.*)' -- (__contextops_typed))
    and __contextops_file "$parts[3]" | string replace -r '^' $parts[2]
end

function __contextops_readable
    __contextops_keys
    printf '%s\t%s\n' profile 'Profile in use'
end

# Complete KEY VALUE, or KEY=VALUE...
function __contextops_setting
    set -l first $__contextops_arguments[1]
    set -l parts (string match -r '^([^=]+)=(.*)' -- (__contextops_typed))
    if set -q parts[1]
        __contextops_value $parts[2] "$parts[3]" | string replace -r '^' $parts[2]=
    else if test -z "$first"
        __contextops_keys
    else if string match -q '*=*' -- $first
        __contextops_keys | string replace \t =\t
    else if test (count $__contextops_arguments) -eq 1
        __contextops_value $first
    end
end

# --- generated: begin ---
set -g __contextops_commands '' chat 'chat send' 'chat repl' models 'models list' 'models check' session 'session list' 'session show' 'session rm' config 'config check' 'config set' 'config get' 'config list' 'config unset' 'config use' 'config path' 'config edit' api serve completion help
set -g __contextops_groups '' chat models session config
set -g __contextops_online '' chat 'chat send' 'chat repl' models 'models list' 'models check' session config 'config check' 'config get' 'config list' api

# Print the options of a command whose value may be the next word.
function __contextops_with_value
    printf '%s\n' --profile --color
    contains -- $argv[1] $__contextops_online
    and printf '%s\n' --base-url --api-key-file --header -H --connect-timeout --first-token-timeout --idle-timeout --max-time --retries
    switch $argv[1]
        case 'chat send'
            printf '%s\n' --model -m --system -s --session --template --file -f --image -i --messages --var --encoding --temperature -t --max-tokens --param --schema --tools --tool-choice --extract-lang --output -o
        case 'chat repl'
            printf '%s\n' --model -m --system -s --session --temperature -t --max-tokens --param
        case 'models check'
            printf '%s\n' --max-latency --jobs -j --wait --format
        case 'config check'
            printf '%s\n' --format
        case api
            printf '%s\n' --data -d --form -F
        case serve
            printf '%s\n' --host --port --model-file
    end
end

function __contextops_keys
    printf '%s\t%s\n' base_url 'Address of the server, e.g. https://ai.example.com'
    printf '%s\t%s\n' api_path 'Path of the API: /api, or /v1'
    printf '%s\t%s\n' api_key 'API key'
    printf '%s\t%s\n' api_key_file 'File that contains the API key'
    printf '%s\t%s\n' api_key_command 'Command that prints the API key; no shell runs it'
    printf '%s\t%s\n' model 'Model to use [the only one offered]'
    printf '%s\t%s\n' system 'System message, or @FILE'
    printf '%s\t%s\n' params 'Request parameters by name, as a JSON object'
    printf '%s\t%s\n' headers 'Request headers by name, as a JSON object'
    printf '%s\t%s\n' connect_timeout 'Time limit for connecting'
    printf '%s\t%s\n' first_token_timeout 'Time limit from the request to the first token'
    printf '%s\t%s\n' idle_timeout 'Time limit between two tokens'
    printf '%s\t%s\n' max_time 'Time limit for the command; 0 is none [none; 30s for models and config check]'
    printf '%s\t%s\n' retries 'Retry at most N times, before the answer begins'
    printf '%s\t%s\n' allow_http 'Send the key over plain http to a public address too'
    printf '%s\t%s\n' ca_bundle 'Trusted certificates, in PEM'
    printf '%s\t%s\n' client_cert 'Client certificate and its key, in PEM'
    printf '%s\t%s\n' proxy 'Proxy, in place of the environment\'s'
    printf '%s\t%s\n' insecure 'Do not verify the server\'s certificate'
    printf '%s\t%s\n' session 'Continue and save conversation NAME; a path ends in .jsonl'
    printf '%s\t%s\n' max_answer 'Size limit for the text of an answer'
    printf '%s\t%s\n' max_event 'Size limit for one server-sent event'
    printf '%s\t%s\n' max_body 'Size limit for a JSON response'
    printf '%s\t%s\n' max_prompt 'Size limit for the text of a request'
    printf '%s\t%s\n' default_profile 'Profile to use if none is named'
end

function __contextops_value
    switch $argv[1]
        case api_key_file ca_bundle client_cert
            __contextops_file $argv[2]
        case model
            __contextops_models $argv[2]
        case system
            __contextops_at_file $argv[2]
        case allow_http insecure
            printf '%s\n' true false
        case session
            __contextops_sessions $argv[2]
        case default_profile
            __contextops_profiles $argv[2]
    end
end

complete -c contextops -f
complete -c contextops -n __contextops_in_any -l profile -r -f -a '(__contextops_profiles)' -d 'Use this profile of the config file'
complete -c contextops -n __contextops_in_any -l local -d 'Use the embedded demo model: fluent, offline, often wrong'
complete -c contextops -n __contextops_in_any -l color -r -f -a 'auto always never' -d 'Color on a terminal: auto, always or never'
complete -c contextops -n __contextops_in_any -l quiet -s q -d 'Print only errors on stderr, no notes'
complete -c contextops -n __contextops_in_any -l verbose -s v -d 'Print the headers of requests and responses on stderr, keys masked'
complete -c contextops -n __contextops_in_any -l help -s h -d 'Show this message and exit'
complete -c contextops -n __contextops_in_online -l base-url -r -f -d 'Address of the server, e.g. https://ai.example.com [http://localhost:3000]'
complete -c contextops -n __contextops_in_online -l api-key-file -r -F -d 'Read the API key from this file'
complete -c contextops -n __contextops_in_online -l header -s H -r -f -d 'Send this header; repeatable'
complete -c contextops -n __contextops_in_online -l connect-timeout -r -f -d 'Time limit for connecting [10s]'
complete -c contextops -n __contextops_in_online -l first-token-timeout -r -f -d 'Time limit from the request to the first token [5m]'
complete -c contextops -n __contextops_in_online -l idle-timeout -r -f -d 'Time limit between two tokens [2m]'
complete -c contextops -n __contextops_in_online -l max-time -r -f -d 'Time limit for the command; 0 is none [none; 30s for models and config check]'
complete -c contextops -n __contextops_in_online -l retries -r -f -d 'Retry at most N times, before the answer begins [2]'
complete -c contextops -n __contextops_in_online -l allow-http -d 'Send the key over plain http to a public address too'

complete -c contextops -n "__contextops_in ''" -a chat -d 'Ask a model'
complete -c contextops -n "__contextops_in ''" -a models -d 'List the models of the server and check them'
complete -c contextops -n "__contextops_in ''" -a session -d 'List, show and delete saved conversations'
complete -c contextops -n "__contextops_in ''" -a config -d 'Show and change the settings'
complete -c contextops -n "__contextops_in ''" -a api -d 'Call any endpoint of the server'
complete -c contextops -n "__contextops_in ''" -a serve -d 'Run the demo model as a local server, until Ctrl-C'
complete -c contextops -n "__contextops_in ''" -a completion -d 'Print the completion script of a shell'
complete -c contextops -n "__contextops_in ''" -a help -d 'Explain a topic or a command'
complete -c contextops -n "__contextops_in ''" -l version -s V -d 'Print the version'

complete -c contextops -n "__contextops_in chat" -a send -d 'Send one prompt and print the answer as it comes'
complete -c contextops -n "__contextops_in chat" -a repl -d 'Start a conversation'

complete -c contextops -n "__contextops_in 'chat send'" -l model -s m -r -f -a '(__contextops_models)' -d 'Model to use [the only one offered]'
complete -c contextops -n "__contextops_in 'chat send'" -l system -s s -r -f -a '(__contextops_at_file)' -d 'System message, or @FILE'
complete -c contextops -n "__contextops_in 'chat send'" -l session -r -f -a '(__contextops_sessions)' -d 'Continue and save conversation NAME; a path ends in .jsonl'
complete -c contextops -n "__contextops_in 'chat send'" -l template -r -f -a '(__contextops_templates)' -d 'Fill this template of the config file with the prompt'
complete -c contextops -n "__contextops_in 'chat send'" -l file -s f -r -F -d 'Add this file to the prompt, in a frame; repeatable'
complete -c contextops -n "__contextops_in 'chat send'" -l image -s i -r -F -d 'Add this image; repeatable'
complete -c contextops -n "__contextops_in 'chat send'" -l messages -r -F -d 'Send this JSON array of messages first; \'-\' is standard input'
complete -c contextops -n "__contextops_in 'chat send'" -l var -r -f -d 'Set a template variable; repeatable'
complete -c contextops -n "__contextops_in 'chat send'" -l encoding -r -f -d 'Encoding of files and standard input'
complete -c contextops -n "__contextops_in 'chat send'" -l no-stdin -s n -d 'Ignore standard input'
complete -c contextops -n "__contextops_in 'chat send'" -l temperature -s t -r -f -d 'Sampling temperature'
complete -c contextops -n "__contextops_in 'chat send'" -l max-tokens -r -f -d 'Stop after N tokens'
complete -c contextops -n "__contextops_in 'chat send'" -l param -r -f -d 'Set any other parameter of the API, e.g. top_p=0.9; repeatable'
complete -c contextops -n "__contextops_in 'chat send'" -l schema -r -F -d 'Require JSON matching this JSON Schema, or exit 12; \'-\' is standard input'
complete -c contextops -n "__contextops_in 'chat send'" -l tools -r -F -d 'Offer this JSON array of tools and print the calls; \'-\' is standard input'
complete -c contextops -n "__contextops_in 'chat send'" -l tool-choice -r -f -a 'auto none required' -d 'Control whether and which tool is called [decided by the server]'
complete -c contextops -n "__contextops_in 'chat send'" -l stream -d 'Print the answer as it arrives, or at once'
complete -c contextops -n "__contextops_in 'chat send'" -l no-stream -d 'Undo --stream'
complete -c contextops -n "__contextops_in 'chat send'" -l allow-truncated -d 'Exit 0 even if a limit truncated the answer'
complete -c contextops -n "__contextops_in 'chat send'" -l extract -s x -d 'Print only the first code block'
complete -c contextops -n "__contextops_in 'chat send'" -l extract-lang -r -f -d 'Print the first code block in LANG'
complete -c contextops -n "__contextops_in 'chat send'" -l output -s o -r -F -d 'Write to this file once the answer is complete'
complete -c contextops -n "__contextops_in 'chat send'" -l usage -d 'Print token counts on stderr'
complete -c contextops -n "__contextops_in 'chat send'" -l dry-run -d 'Print the body of the request and send nothing'
complete -c contextops -n "__contextops_in 'chat send'" -l curl -d 'With --dry-run: print a curl command instead'
complete -c contextops -n "__contextops_in 'chat send'" -l reasoning -d 'Print reasoning text on stderr'
complete -c contextops -n "__contextops_in 'chat send'" -l plain -d 'Do not render Markdown on a terminal'
complete -c contextops -n "__contextops_in 'chat send'" -l raw -d 'Print the text unchanged on a terminal, control characters included'
complete -c contextops -n "__contextops_in 'chat send'" -l json -d 'Print one JSON document; errors are JSON too'
complete -c contextops -n "__contextops_in 'chat send'" -l jsonl -d 'Print one JSON object a line'

complete -c contextops -n "__contextops_in 'chat repl'" -l model -s m -r -f -a '(__contextops_models)' -d 'Model to use [the only one offered]'
complete -c contextops -n "__contextops_in 'chat repl'" -l system -s s -r -f -a '(__contextops_at_file)' -d 'System message, or @FILE'
complete -c contextops -n "__contextops_in 'chat repl'" -l session -r -f -a '(__contextops_sessions)' -d 'Continue and save conversation NAME; a path ends in .jsonl'
complete -c contextops -n "__contextops_in 'chat repl'" -l temperature -s t -r -f -d 'Sampling temperature'
complete -c contextops -n "__contextops_in 'chat repl'" -l max-tokens -r -f -d 'Stop each answer after N tokens'
complete -c contextops -n "__contextops_in 'chat repl'" -l param -r -f -d 'Set any other parameter of the API, e.g. top_p=0.9; repeatable'
complete -c contextops -n "__contextops_in 'chat repl'" -l usage -d 'Print token counts on stderr after each answer'
complete -c contextops -n "__contextops_in 'chat repl'" -l fail-fast -d 'End with the first turn that fails, unless on a terminal'
complete -c contextops -n "__contextops_in 'chat repl'" -l reasoning -d 'Print reasoning text on stderr'
complete -c contextops -n "__contextops_in 'chat repl'" -l plain -d 'Do not render Markdown on a terminal'
complete -c contextops -n "__contextops_in 'chat repl'" -l raw -d 'Print the text unchanged on a terminal, control characters included'
complete -c contextops -n "__contextops_in 'chat repl'" -l jsonl -d 'Print one JSON object a line'

complete -c contextops -n "__contextops_in models" -a list -d 'List the models: a table on a terminal, one id a line in a pipe'
complete -c contextops -n "__contextops_in models" -a check -d 'Check whether models are offered, and with --probe whether they answer'

complete -c contextops -n "__contextops_in 'models list' 1+" -f -a '(__contextops_models)'
complete -c contextops -n "__contextops_in 'models list'" -l refresh -d 'Make the server reload its list'
complete -c contextops -n "__contextops_in 'models list'" -l json -d 'Print one JSON document; errors are JSON too'
complete -c contextops -n "__contextops_in 'models list'" -l jsonl -d 'Print one JSON object a line'

complete -c contextops -n "__contextops_in 'models check' 1+" -f -a '(__contextops_models)'
complete -c contextops -n "__contextops_in 'models check'" -l probe -d 'Request one token from each model; a listed one may not work'
complete -c contextops -n "__contextops_in 'models check'" -l max-latency -r -f -d 'With --probe: slower models fail with status 28'
complete -c contextops -n "__contextops_in 'models check'" -l jobs -s j -r -f -d 'Probe N models at a time'
complete -c contextops -n "__contextops_in 'models check'" -l wait -r -f -d 'Poll until all pass, for at most DURATION; a rejected key ends it'
complete -c contextops -n "__contextops_in 'models check'" -l refresh -d 'Make the server reload its list'
complete -c contextops -n "__contextops_in 'models check'" -l json -d 'Print one JSON document; errors are JSON too'
complete -c contextops -n "__contextops_in 'models check'" -l format -r -f -a 'junit github' -d 'Write a JUnit XML file that CI servers display, or annotations for GitHub Actions'

complete -c contextops -n "__contextops_in session" -a list -d 'List saved conversations'
complete -c contextops -n "__contextops_in session" -a show -d 'Print a saved conversation'
complete -c contextops -n "__contextops_in session" -a rm -d 'Delete saved conversations'

complete -c contextops -n "__contextops_in 'session list'" -l json -d 'Print one JSON document; errors are JSON too'

complete -c contextops -n "__contextops_in 'session show' 1" -f -a '(__contextops_sessions)'
complete -c contextops -n "__contextops_in 'session show'" -l json -d 'Print one JSON document; errors are JSON too'

complete -c contextops -n "__contextops_in 'session rm' 1+" -f -a '(__contextops_sessions)'

complete -c contextops -n "__contextops_in config" -a check -d 'Diagnose the setup: the config file, the connection, the key and the models'
complete -c contextops -n "__contextops_in config" -a set -d 'Store settings'
complete -c contextops -n "__contextops_in config" -a get -d 'Print the value in effect'
complete -c contextops -n "__contextops_in config" -a list -d 'List the settings in effect, and the templates'
complete -c contextops -n "__contextops_in config" -a unset -d 'Remove settings, a template, or a profile'
complete -c contextops -n "__contextops_in config" -a use -d 'Make a profile the default one, or list the profiles'
complete -c contextops -n "__contextops_in config" -a path -d 'Print the path of the config file, whether it exists or not'
complete -c contextops -n "__contextops_in config" -a edit -d 'Open the config file in an editor, and check it afterwards'

complete -c contextops -n "__contextops_in 'config check'" -l json -d 'Print one JSON document; errors are JSON too'
complete -c contextops -n "__contextops_in 'config check'" -l format -r -f -a 'junit github' -d 'Write a JUnit XML file that CI servers display, or annotations for GitHub Actions'

complete -c contextops -n "__contextops_in 'config set' 1+" -f -a '(__contextops_setting)'

complete -c contextops -n "__contextops_in 'config get' 1" -f -a '(__contextops_readable)'
complete -c contextops -n "__contextops_in 'config get'" -l json -d 'Print one JSON document; errors are JSON too'

complete -c contextops -n "__contextops_in 'config list'" -l show-origin -d 'Show where each value is set'
complete -c contextops -n "__contextops_in 'config list'" -l json -d 'Print one JSON document; errors are JSON too'

complete -c contextops -n "__contextops_in 'config unset' 1+" -f -a '(__contextops_keys)'

complete -c contextops -n "__contextops_in 'config use' 1" -f -a '(__contextops_profiles)'
complete -c contextops -n "__contextops_in 'config use'" -l json -d 'Print one JSON document; errors are JSON too'

complete -c contextops -n "__contextops_in api 1" -f -a 'GET POST PUT PATCH DELETE HEAD OPTIONS'
complete -c contextops -n "__contextops_in api" -l data -s d -r -f -a '(__contextops_at_file)' -d 'Request body; \'@\' reads it from a file, \'-\' from standard input'
complete -c contextops -n "__contextops_in api" -l form -s F -r -f -a '(__contextops_form)' -d 'Upload a file, or send a field as NAME=VALUE; repeatable'
complete -c contextops -n "__contextops_in api" -l include -s i -d 'Print the response\'s status and headers before its body'

complete -c contextops -n "__contextops_in serve" -l host -r -f -d 'Address to listen on; 0.0.0.0 means all interfaces'
complete -c contextops -n "__contextops_in serve" -l port -r -f -d 'Port to listen on; 0 picks a free one'
complete -c contextops -n "__contextops_in serve" -l model-file -r -F -d 'GGUF file to use instead of the demo model [CONTEXTOPS_LOCAL_MODEL]'

complete -c contextops -n "__contextops_in completion 1" -f -a 'bash zsh fish'
complete -c contextops -n "__contextops_in completion" -l names -d 'Only write the list of names that the script completes'

complete -c contextops -n "__contextops_in help 1+" -f -a 'environment exit-codes'
# --- generated: end ---
