"""How the settings in effect are shown."""

from __future__ import annotations

from contextops.config.dotted_keys import split_key
from contextops.config.layers import collect_layers
from contextops.config.show import effective_settings, look_up

KEY = "sk-CANARY0123456789"


def test_every_value_in_effect_has_its_origin(stored, environ):
    path = stored(
        '[profiles.default]\nmodel = "m"\nparams = {seed = 1}\nbase_url = "http://a/v1"\n'
    )
    environ["CONTEXTOPS_RETRIES"] = "3"
    found = effective_settings(
        collect_layers({"idle_timeout": "5s", "params": {"top_p": 1}}, environ)
    )
    in_file = f"{path} [profiles.default]"
    assert {key: (found[key].text, found[key].origin) for key in found if key[:4] != "max_"} == {
        "profile": ("default", "default"),
        "base_url": ("http://a", in_file),
        "api_path": ("/v1", in_file),
        "model": ("m", in_file),
        "params.seed": ("1", in_file),
        "params.top_p": ("1", "flag --param"),
        "connect_timeout": ("10s", "default"),
        "first_token_timeout": ("5m", "default"),
        "idle_timeout": ("5s", "flag --idle-timeout"),
        "retries": ("3", "CONTEXTOPS_RETRIES"),
        "allow_http": ("false", "default"),
        "insecure": ("false", "default"),
    }
    assert effective_settings(collect_layers({}, environ))["model"].origin == in_file


def test_table_is_looked_up_as_whole_and_in_parts(environ):
    environ["CONTEXTOPS_PARAMS"] = '{"logit_bias": {"50256": -100}, "seed": 1}'
    environ["CONTEXTOPS_HEADERS"] = f'{{"X-Org": "acme", "X-Api-Key": "{KEY}"}}'
    found = collect_layers({}, environ)
    assert look_up(found, split_key("params")).value == {
        "logit_bias": {"50256": -100},
        "seed": 1,
    }
    assert look_up(found, split_key("params.logit_bias.50256")).text == "-100"
    assert look_up(found, split_key("headers.x-org")).text == "acme"
    assert look_up(found, split_key("headers.X-Api-Key")).text == "***6789"
    assert look_up(found, split_key("params.stop")) is None
    assert look_up(found, split_key("params.seed.x")) is None
    assert look_up(found, split_key("model")) is None
