"""Settings: where they come from, which are in effect, and how they are changed."""

from typing import TYPE_CHECKING

from contextops.lazy import lazy_names

if TYPE_CHECKING:
    from contextops.config.dotted_keys import Keys, find_key, is_secret_key, parse_assignments
    from contextops.config.edit import (
        edit_in_editor,
        list_profiles,
        set_settings,
        unset_settings,
        use_profile,
    )
    from contextops.config.file import (
        DEFAULT_PROFILE,
        LOCAL_PROFILE,
        ExposedConfigError,
        load_config,
        unknown_keys_of_template,
    )
    from contextops.config.key import KeySource
    from contextops.config.layers import SettingLayers, collect_layers
    from contextops.config.names import refresh_names
    from contextops.config.paths import cache_folder, config_path, is_config_named, state_folder
    from contextops.config.profile import Profile, resolve
    from contextops.config.settings import (
        FLAGS,
        LOCAL_FLAG,
        SETTINGS,
        Setting,
    )
    from contextops.config.show import (
        ShownValue,
        config_document,
        effective_values,
        environment_variables,
        look_up,
    )
    from contextops.config.template import INPUT_FIELD, Template, is_field_name
    from contextops.config.url import Origin, ip_address, origin_of
    from contextops.config.values import parse_duration, parse_parameter

__all__ = [
    "DEFAULT_PROFILE",
    "FLAGS",
    "INPUT_FIELD",
    "LOCAL_FLAG",
    "LOCAL_PROFILE",
    "SETTINGS",
    "ExposedConfigError",
    "KeySource",
    "Keys",
    "Origin",
    "Profile",
    "Setting",
    "SettingLayers",
    "ShownValue",
    "Template",
    "cache_folder",
    "collect_layers",
    "config_document",
    "config_path",
    "edit_in_editor",
    "effective_values",
    "environment_variables",
    "find_key",
    "ip_address",
    "is_config_named",
    "is_field_name",
    "is_secret_key",
    "list_profiles",
    "load_config",
    "look_up",
    "origin_of",
    "parse_assignments",
    "parse_duration",
    "parse_parameter",
    "refresh_names",
    "resolve",
    "set_settings",
    "state_folder",
    "unknown_keys_of_template",
    "unset_settings",
    "use_profile",
]

__getattr__ = lazy_names(
    __name__,
    {
        "dotted_keys": (
            "Keys",
            "find_key",
            "is_secret_key",
            "parse_assignments",
        ),
        "edit": (
            "edit_in_editor",
            "list_profiles",
            "set_settings",
            "unset_settings",
            "use_profile",
        ),
        "file": (
            "DEFAULT_PROFILE",
            "LOCAL_PROFILE",
            "ExposedConfigError",
            "load_config",
            "unknown_keys_of_template",
        ),
        "key": ("KeySource",),
        "layers": (
            "SettingLayers",
            "collect_layers",
        ),
        "names": ("refresh_names",),
        "paths": (
            "cache_folder",
            "config_path",
            "is_config_named",
            "state_folder",
        ),
        "profile": (
            "Profile",
            "resolve",
        ),
        "settings": (
            "FLAGS",
            "LOCAL_FLAG",
            "SETTINGS",
            "Setting",
        ),
        "show": (
            "ShownValue",
            "config_document",
            "effective_values",
            "environment_variables",
            "look_up",
        ),
        "template": (
            "INPUT_FIELD",
            "Template",
            "is_field_name",
        ),
        "url": (
            "Origin",
            "ip_address",
            "origin_of",
        ),
        "values": (
            "parse_duration",
            "parse_parameter",
        ),
    },
)
