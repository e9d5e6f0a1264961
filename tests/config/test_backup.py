"""The copy of the config file that preserves comments."""

from __future__ import annotations

import stat
import sys
import tomllib

import pytest

from contextops.config.backup import without_keys
from contextops.config.edit import edit_config, set_value
from contextops.config.file import load_config

KEY = "sk-CANARY0123456789"


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    path.chmod(0o600)


def test_comments_and_order_are_copied_before_they_are_lost(path):
    text = '# mine\n[profiles.work]\nmodel = "m"  # the good one\nbase_url = "http://a"\n'
    write(path, text)
    [note] = edit_config(path, lambda data: set_value(data, "work", ("retries",), 1))
    backup = path.with_name("config.toml.bak")
    assert str(backup) in note
    assert backup.read_text() == text
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600 or sys.platform == "win32"
    assert edit_config(path, lambda data: set_value(data, "work", ("retries",), 2)) == [], (
        "nothing is lost of what we wrote ourselves"
    )


@pytest.mark.parametrize(
    "text",
    [
        f'[profiles.work]\napi_key = "{KEY}"\n# x\n',
        f'profiles = {{ work = {{ api_key = "{KEY}" }} }}\n# x\n',
        f'profiles.work.api_key = """\n{KEY}"""\n# x\n',
        f'[profiles.work]\napi_key = "\\u0073{KEY[1:]}"\n# x\n',
        f'[profiles.work]\napi_key = """{KEY[:9]}\\\n   {KEY[9:]}"""\n# x\n',
        f'[profiles.work]\nmodel = "m" # api_key = "{KEY}"\n# x\n',
        f'[profiles.work]\n#api_key="{KEY}"\n# x\n',
        f"[profiles.work]\n# the old one was {KEY}!\n# x\n",
        f'[profiles.work.headers]\nAuthorization = "Bearer {KEY}"\nX-Org = "acme"\n# x\n',
        f'[profiles.work]\nheaders = {{ X-Org = "acme", X-Api-Key = "{KEY}" }}\n# x\n',
        f'[profiles.work]\nproxy = "http://me:{KEY}@proxy:3128"\n# x\n',
        f'[profiles.work]\napi_key_command = ["printf", "{KEY}"]\n# x\n',
        f'[profiles.work]\napikey = "{KEY}"\n# x\n',
        f'[profiles.work]\nold_tokens = ["{KEY}"]\n# x\n',
        f'"api_key" = "{KEY}"\n# x\n',
    ],
)
def test_backup_contains_no_key(text):
    copy = without_keys(text)
    assert "CANARY" not in copy
    assert "***" in copy
    assert copy.endswith("# x\n")
    tomllib.loads(copy)


def test_backup_contains_no_key_of_unknown_shape(path):
    write(path, '# was hunter2-old\n# token: hunter2-old\n[profiles.work]\napi_key = "hunter2"\n')
    edit_config(path, lambda data: set_value(data, "work", ("model",), "m"))
    copy = path.with_name("config.toml.bak").read_text()
    assert copy == '# was ***-old\n# token: ***\n[profiles.work]\napi_key = "***"\n'


def test_request_parameter_is_not_a_secret(path):
    text = '# x\n[profiles.work]\nparams = { prompt_cache_key = "team-a" }\n'
    assert without_keys(text) == text
    write(path, text)
    path.chmod(0o644)
    assert load_config(path).exists


def test_short_key_is_removed_with_its_statement_only():
    text = '# a comment\n[profiles.work]\nmodel = "a"\napi_key = "a"\n'
    assert without_keys(text) == '# a comment\n[profiles.work]\nmodel = "a"\n# ***\n'
