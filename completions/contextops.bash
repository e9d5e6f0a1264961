# Completion of contextops in bash, from 3.2 on. It needs nothing but bash, and starts no program
# unless the config file was edited by hand: then it runs "contextops completion --names" once.
#
# generate.py writes what is between the two marks; the rest is written by hand.

# --- generated: begin ---
_contextops_settings='
    base_url=TEXT api_path=TEXT api_key=TEXT api_key_file=FILE api_key_command=TEXT model=MODEL
    system=@FILE params=TEXT headers=TEXT connect_timeout=TEXT first_token_timeout=TEXT
    idle_timeout=TEXT max_time=TEXT retries=TEXT allow_http=true|false ca_bundle=FILE
    client_cert=FILE proxy=TEXT insecure=true|false session=SESSION max_answer=TEXT max_event=TEXT
    max_body=TEXT max_prompt=TEXT default_profile=PROFILE
'

# Set what a command accepts: options, as NAME=KIND where a value follows, and the KIND
# of each argument. A KIND is auto|always|never, or one that _contextops_values knows.
_contextops_takes() {
    local every='
        --profile=PROFILE --local --color=auto|always|never --quiet -q --verbose -v --help -h
    '
    local connection='
        --base-url=TEXT --api-key-file=FILE --header=TEXT -H=TEXT --connect-timeout=TEXT
        --first-token-timeout=TEXT --idle-timeout=TEXT --max-time=TEXT --retries=TEXT --allow-http
    '
    subcommands='' options='' arguments=''
    case $1 in
    '')
        subcommands='chat models session config api serve completion help'
        options="$every $connection
            --version -V"
        ;;
    'chat')
        subcommands='send repl'
        options="$every $connection"
        ;;
    'chat send')
        options="$every $connection
            --model=MODEL -m=MODEL --system=@FILE -s=@FILE --session=SESSION --template=TEMPLATE
            --file=FILE -f=FILE --image=FILE -i=FILE --messages=FILE --var=TEXT --encoding=TEXT
            --no-stdin -n --temperature=TEXT -t=TEXT --max-tokens=TEXT --param=TEXT --schema=FILE
            --tools=FILE --tool-choice=auto|none|required --stream --no-stream --allow-truncated
            --extract -x --extract-lang=TEXT --output=FILE -o=FILE --usage --dry-run --curl
            --reasoning --plain --raw --json --jsonl"
        arguments='TEXT...'
        ;;
    'chat repl')
        options="$every $connection
            --model=MODEL -m=MODEL --system=@FILE -s=@FILE --session=SESSION --temperature=TEXT
            -t=TEXT --max-tokens=TEXT --param=TEXT --usage --fail-fast --reasoning --plain --raw
            --jsonl"
        ;;
    'models')
        subcommands='list check'
        options="$every $connection"
        ;;
    'models list')
        options="$every $connection
            --refresh --json --jsonl"
        arguments='MODEL...'
        ;;
    'models check')
        options="$every $connection
            --probe --max-latency=TEXT --jobs=TEXT -j=TEXT --wait=TEXT --refresh --json
            --format=junit|github"
        arguments='MODEL...'
        ;;
    'session')
        subcommands='list show rm'
        options="$every $connection"
        ;;
    'session list')
        options="$every
            --json"
        ;;
    'session show')
        options="$every
            --json"
        arguments='SESSION'
        ;;
    'session rm')
        options="$every"
        arguments='SESSION...'
        ;;
    'config')
        subcommands='check set get list unset use path edit'
        options="$every $connection"
        ;;
    'config check')
        options="$every $connection
            --json --format=junit|github"
        ;;
    'config set')
        options="$every"
        arguments='SETTING...'
        ;;
    'config get')
        options="$every $connection
            --json"
        arguments='READABLE'
        ;;
    'config list')
        options="$every $connection
            --show-origin --json"
        ;;
    'config unset')
        options="$every"
        arguments='KEY...'
        ;;
    'config use')
        options="$every
            --json"
        arguments='PROFILE'
        ;;
    'config path')
        options="$every"
        ;;
    'config edit')
        options="$every"
        ;;
    'api')
        options="$every $connection
            --data=@FILE -d=@FILE --form=NAME=@FILE -F=NAME=@FILE --include -i"
        arguments='GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS TEXT'
        ;;
    'serve')
        options="$every
            --host=TEXT --port=TEXT --model-file=FILE"
        ;;
    'completion')
        options="$every
            --names"
        arguments='bash|zsh|fish'
        ;;
    'help')
        options="$every"
        arguments='environment|exit-codes...'
        ;;
    *) return 1 ;;
    esac
}
# --- generated: end ---

_contextops() {
    local IFS=$' \t\n'
    local i word words cur blank line=${COMP_LINE:0:COMP_POINT}
    COMPREPLY=()
    if [[ ${COMP_WORDS[COMP_CWORD - 1]} == *[\<\>] ]]; then
        # Where input comes from, or output goes to.
        compopt -o default 2>/dev/null
        return
    fi
    # bash 4 cuts words at = : @ too; put together again what will be one word of the command line.
    words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        blank=${line%%[![:space:]]*}
        line=${line#"$blank"}
        # What stands behind the cursor does not count.
        ((i == COMP_CWORD)) && word=$line
        if ((i > 0)) && [[ -z $blank ]]; then
            words[${#words[@]} - 1]+=$word
        else
            words[${#words[@]}]=$word
        fi
        line=${line#"$word"}
    done
    cur=${words[${#words[@]} - 1]}

    # Follow the line: which command, which of its arguments, or the value of which option.
    local command='' subcommands options arguments seen kind before pending='' ended=''
    seen=()
    _contextops_takes ''
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ $pending ]]; then
            pending=''
        elif [[ ! $ended && $word == -- ]]; then
            ended=1
        elif [[ ! $ended && $word == -?* ]]; then
            _contextops_option "$word"
            [[ $before ]] || pending=$kind
        elif [[ $subcommands ]]; then
            command=${command:+$command }$word
            ended=''
            _contextops_takes "$command" || return 0
        else
            seen[${#seen[@]}]=$word
        fi
    done

    # An answer is $prefix and what $value can become, less what of the word readline leaves alone.
    local prefix='' value=$cur quoted='' untouched=${cur%"$2"}
    if [[ $pending ]]; then
        _contextops_values "$pending"
    elif [[ ! $ended && $cur == -* ]]; then
        _contextops_option "$cur"
        if [[ $before ]]; then
            prefix=$before value=${cur#"$before"}
            _contextops_values "$kind"
        else
            for word in $options; do
                _contextops_offer "${word%%=*}"
            done
        fi
    elif [[ $subcommands ]]; then
        # shellcheck disable=SC2086  # words
        _contextops_offer $subcommands
    else
        _contextops_argument
    fi
}

# Set what value an option takes: kind is '' for a flag, and before is what comes before a value in
# the same word ('' where the value is the next word).
_contextops_option() {
    local n
    kind='' before=''
    if [[ $1 == --*=* ]]; then
        before=${1%%=*}=
        _contextops_kind "${1%%=*}" "$options"
    elif [[ $1 == --* ]]; then
        _contextops_kind "$1" "$options"
    else
        # Letters may share a dash, -nq, and the last of them takes the value: -nmMODEL, -nm MODEL.
        for ((n = 1; n < ${#1}; n++)); do
            _contextops_kind "-${1:n:1}" "$options"
            if [[ $kind ]]; then
                ((n + 1 == ${#1})) || before=${1:0:n+1}
                return
            fi
        done
    fi
}

# Find NAME among NAME=KIND.
_contextops_kind() {
    local entry
    kind=''
    for entry in $2; do
        [[ $entry == "$1="* ]] && kind=${entry#*=}
    done
}

_contextops_argument() {
    local kinds
    # shellcheck disable=SC2206  # words
    kinds=($arguments)
    if ((${#seen[@]} < ${#kinds[@]})); then
        kind=${kinds[${#seen[@]}]}
    elif [[ $arguments == *... ]]; then
        kind=${kinds[${#kinds[@]} - 1]}
    else
        return
    fi
    _contextops_values "${kind%...}"
}

# Offer what a KIND stands for.
_contextops_values() {
    if [[ $value == [\"\']* ]]; then
        quoted=1 prefix+=${value:0:1} value=${value:1}
    fi
    case $1 in
    '' | TEXT) ;;
    FILE) _contextops_files ;;
    @FILE)
        if [[ $value == @* ]]; then
            prefix+=@ value=${value#@}
            _contextops_files
        fi
        ;;
    NAME=@FILE)
        if [[ $value == *=@* ]]; then
            prefix+=${value%%=@*}=@ value=${value#*=@}
            _contextops_files
        fi
        ;;
    PROFILE) _contextops_profiles ;;
    TEMPLATE) _contextops_templates ;;
    SESSION) _contextops_sessions ;;
    MODEL) _contextops_models ;;
    KEY) _contextops_keys '' ;;
    READABLE)
        _contextops_keys ''
        _contextops_offer profile
        ;;
    SETTING) _contextops_setting ;;
    *)
        local IFS='|'
        # shellcheck disable=SC2086  # words
        _contextops_offer $1
        ;;
    esac
}

_contextops_offer() {
    local each
    for each; do
        [[ $quoted ]] || printf -v each %q "$each"
        if [[ $each == "$value"* ]]; then
            each=$prefix$each
            COMPREPLY[${#COMPREPLY[@]}]=${each#"$untouched"}
        fi
    done
}

_contextops_keys() {
    local entry
    for entry in $_contextops_settings; do
        _contextops_offer "${entry%%=*}$1"
    done
}

# Complete KEY VALUE, or KEY=VALUE...
_contextops_setting() {
    if [[ $value == *=* ]]; then
        _contextops_kind "${value%%=*}" "$_contextops_settings"
        prefix+=${value%%=*}= value=${value#*=}
        _contextops_values "$kind"
    elif ((${#seen[@]} == 0)); then
        _contextops_keys ''
    elif [[ ${seen[0]} == *=* ]]; then
        compopt -o nospace 2>/dev/null
        _contextops_keys '='
    elif ((${#seen[@]} == 1)); then
        _contextops_kind "${seen[0]}" "$_contextops_settings"
        _contextops_values "$kind"
    fi
}

# Set file to NAME in contextops' folder below a user's folder: VARIABLE DEFAULT NAME.
_contextops_path() {
    file=${!1-}
    [[ $file == /* ]] || file=$2
    file=${file%/}/contextops/$3
}

# Set file to the config file in use; fail if it cannot be read.
_contextops_config() {
    file=${CONTEXTOPS_CONFIG-}
    if [[ ! $file ]]; then
        _contextops_path XDG_CONFIG_HOME ~/.config config.toml
    elif [[ $file != /* ]]; then
        file=$PWD/$file
    fi
    [[ -f $file && -r $file ]]
}

# Set names to those of a KIND (profile, template, in_use) in the list that contextops writes
# whenever it reads or changes the config file.
_contextops_names() {
    local file config list line
    names=()
    _contextops_config || return
    config=$file
    _contextops_path XDG_CACHE_HOME ~/.cache names
    list=$file
    if ! _contextops_is_current && [[ ${_contextops_refreshed-} != "$config" ]]; then
        command contextops completion --names </dev/null >/dev/null 2>&1
        # Where that does not help, it is not tried again with each TAB.
        _contextops_is_current || _contextops_refreshed=$config
    fi
    _contextops_is_current || return
    while IFS= read -r line; do
        [[ $line == "$1 "* ]] && names[${#names[@]}]=${line#"$1 "}
    done <"$list"
}

# Succeed if the list is of this config file, and newer than it.
_contextops_is_current() {
    local first
    [[ -f $list && -r $list && ! $config -nt $list ]] && IFS= read -r first <"$list" &&
        [[ $first == "$config" ]]
}

_contextops_profiles() {
    local names
    _contextops_names profile
    ((${#names[@]})) || names=(default local)
    _contextops_offer "${names[@]}"
}

_contextops_templates() {
    local names
    _contextops_names template
    _contextops_offer ${names[@]+"${names[@]}"}
}

# Offer the names of the saved conversations; a path to one is a file.
_contextops_sessions() {
    local file each
    if [[ $value == */* ]]; then
        _contextops_files
        return
    fi
    _contextops_path XDG_STATE_HOME ~/.local/state ''
    # Not by a pattern: what one that fits nothing becomes is a matter of taste.
    while read -r each; do
        each=${each##*/}
        [[ $each == *.jsonl ]] && _contextops_offer "${each%.jsonl}"
    done < <(compgen -f -- "$file")
}

# Offer the ids that "contextops models list" showed last for the profile in use.
_contextops_models() {
    local file line names profile=''
    # The words before this one, and the exported name, go before the file's.
    _contextops_profile "${words[@]:0:${#words[@]}-1}"
    if [[ ! $profile ]]; then
        _contextops_names in_use
        profile=${names[0]-}
    fi
    _contextops_path XDG_CACHE_HOME ~/.cache "models/${profile:-default}"
    if [[ -f $file && -r $file ]]; then
        while read -r line; do
            _contextops_offer "$line"
        done <"$file"
    fi
}

_contextops_profile() {
    local word is_next=''
    profile=${CONTEXTOPS_PROFILE-}
    for word; do
        word=${word//[\\\"\']/}
        [[ $is_next ]] && profile=$word
        is_next=''
        case $word in
        --profile) is_next=1 ;;
        --profile=*) profile=${word#*=} ;;
        --local) profile=local ;;
        esac
    done
}

# Complete the rest of the word as the name of a file.
_contextops_files() {
    local file
    if [[ $prefix == "$untouched" ]]; then
        # Readline does it best: it knows quotes, ~ and folders.
        compopt -o default 2>/dev/null
        return
    fi
    # It would look for "@name".
    while read -r file; do
        if [[ -d $file ]]; then
            file+=/
            compopt -o nospace 2>/dev/null
        fi
        _contextops_offer "$file"
    done < <(compgen -f -- "$value")
}

if type compopt >/dev/null 2>&1; then
    complete -F _contextops contextops
else
    # Before bash 4 it cannot be chosen when: file names are offered where there is nothing else.
    complete -o default -F _contextops contextops
fi
