"""Options that would have no effect are refused: every option of every command is looked at."""

import unittest
from collections.abc import Iterator

import click
from click.testing import CliRunner

from librarian.commands.main import librarian

URL = "http://127.0.0.1:1/"
FILE = "setup.py"  # one that is there
CREDENTIALS = {
    "token_file": f"get 5 --user joe --token-file {FILE}",
    "user": f"get {URL}5/f --user joe",
    "app_url": f"get {URL}5/f --app-url http://127.0.0.1:2/",
    "ini": f"get 5 --app-url {URL} -c development.ini",
}

#: Command -> option -> a command line on which that option would have no effect.
IDLE: dict[str, dict[str, str]] = {
    "librarian": {"verbose": "-v serve"},
    "fsck": {
        "name": "fsck --name x",
        "repair": "fsck --repair --backup src",
        "of_tree": "fsck --tree --backup src",
        "ini": "fsck --backup src -c development.ini",
    },
    "gc": {
        "skip": "gc --only bytes --skip aliases",
        "quiet": "gc -q --json",
        "trust_empty_tree": "gc --skip bytes --trust-empty-tree",
        "yes_really": "gc --only aliases --yes-really",
    },
    "sweep": {"quiet": "sweep -q --json"},
    "ls": {
        "long": "ls -l --json",
        "token_file": f"ls -u joe --token-file {FILE}",
        "ini": f"ls --app-url {URL} -c development.ini",
    },
    "rm": {
        "token_file": f"rm /x -u joe --token-file {FILE}",
        "ini": f"rm /x --app-url {URL} -c development.ini",
    },
    "find": {
        "token_file": f"find x -u joe --token-file {FILE}",
        "ini": f"find x --app-url {URL} -c development.ini",
    },
    "mv": {
        "token_file": f"mv /x /y -u joe --token-file {FILE}",
        "ini": f"mv /x /y --app-url {URL} -c development.ini",
    },
    "info": {
        "token_file": f"info 5 -u joe --token-file {FILE}",
        "ini": f"info 5 --app-url {URL} -c development.ini",
    },
    "get": {**CREDENTIALS, "force": "get 5 -o new-file --force", "as_json": "get 5 -o - --json"},
    "init": {
        name: f"init there --{name} {value}".rstrip()
        for name, value in {
            "nginx": "",
            "accel": "",
            "systemd": "",
            "logrotate": "",
            "data": "/srv/x",
            "logs": "/srv/x",
            "backup": "/srv/x",
            "certificates": "/srv/x",
            "user": "joe",
        }.items()
    },
    "backup": {
        "verify": "backup /srv/x --leave-bytes --verify",
        "rate": "backup /srv/x --leave-bytes --rate 5MB",
    },
    "put": {
        "parents": f"put {FILE} -p",
        "no_clobber": f"put {FILE} -n",
        "resume": f"put {FILE} --resume",
        "name": f"put {FILE} --name x --to /x",
        "app_url": f"put {FILE} --app-url {URL}",
        "upload_url": f"put {FILE} --restricted --upload-url {URL}",
        "restricted_upload_url": f"put {FILE} --restricted-upload-url {URL}",
        "token_file": f"put {FILE} -u joe --token-file {FILE}",
        "ini": f"put {FILE} --upload-url {URL} -c development.ini",
    },
    "person add": {
        "password_file": f"person add joe --no-password --password-file {FILE}",
        "generate": "person add joe --no-password --generate",
    },
    "person set-password": {"password_file": f"person set-password joe --generate --password-file {FILE}"},
    "tokens revoke": {"alias_id": "tokens revoke x --alias 5", "everything": "tokens revoke x --all"},
    "machines run": {
        "every": "machines run --once --every 5s",
        "exit_when_quiesced": "machines run --once --exit-when-quiesced",
    },
    "machines watchdog": {"every": "machines watchdog --once --every 5s"},
    "tracker": {
        "remote_url": f"tracker -r {URL} serve",
        "cache_dir": "tracker -c there prune",
        "locks_dir": "tracker -l there prune",
        "ini": f"tracker -r {URL} --config development.ini ls",
    },
    "tracker cache-clean": {
        "as_json": "tracker cache-clean -s 1G --every 5 --json",
        "dry_run": "tracker cache-clean -s 1G --every 5 --dry-run",
        "adopt": "tracker cache-clean -s 1G --adopt --dry-run",
    },
    "tracker put": {"no_local_cache": f"tracker put {FILE} /x --no-local-cache --no-remote-cache"},
}
for _kind in ("export", "import"):
    IDLE[_kind] = {
        "store_dir": f"{_kind} --store-dir src",
        "port": f"{_kind} --port 2121",
        "user": f"{_kind} --user joe",
        "password_file": f"{_kind} --password-file {FILE}",
        "path": f"{_kind} --path /x",
        "tls": f"{_kind} --tls explicit",
        "ca_file": f"{_kind} --host x --store-dir src --ca-file {FILE}",
        "ini": f"{_kind} --host x --store-dir src -c development.ini",
        "quiet": f"{_kind} --json -q",
    }
for _words in (
    *(
        "cordon x --reason y",
        "uncordon x",
        "forget x",
        "import x y",
        "imports",
        "list",
        "offline x",
        "online x",
    ),
    *("quiesce x", "request x", "run", "watchdog"),
):
    IDLE.setdefault(f"machines {_words.split()[0]}", {})["ini"] = (
        f"machines {_words} --app-url {URL} -c development.ini"
    )
#: More of them, for options that are in IDLE already.
MORE = (
    f"put {FILE} --to /x --upload-url {URL}",
    f"put {FILE} --to /x --restricted --restricted-upload-url {URL}",
    f"put {FILE} --to /x --app-url {URL} -c development.ini",
    f"put {FILE} --restricted --restricted-upload-url {URL} -c development.ini",
    f"get {URL}5/f --token-file {FILE}",
    f"get {URL}5/f -c development.ini",
    "get 5 -o - --force",
    f"tracker -r {URL} cache-clean -s 1G",
    "tracker --config development.ini cache-clean -s 1G",
    "tracker --config development.ini ls --local",
    "tracker --config development.ini serve",
    f"tracker -r {URL} ls --local",
    "tracker -c there cache-clean -s 1G elsewhere",
    "tracker -l there serve",
    "tokens revoke --alias 5 --all",
    "gc --only bytes --skip bytes",
    "export target --host x --store-dir src",
)

#: Command -> options that have an effect wherever they are said, or whose wish comes true anyhow.
ALWAYS = {
    "adopt": "ini",
    "backup": "leave_bytes as_json ini",
    "check-config": "ini as_json",
    "count-downloads": "ini as_json",
    "delete": "ini",
    "deliveries": "ini imports only_stuck as_json",
    "export": "host watch log_file as_json",
    "feature list": "ini as_json",
    "feature set": "scope priority ini",
    "feature unset": "scope ini",
    "feed": "ini files folders replace",
    "fsck": "folder as_json",
    "gc": "only dry_run as_json ini",
    "get": "output",
    "hold": "reason ini",
    "holders": "as_json ini",
    "import": "host watch log_file as_json",
    "info": "as_json app_url user",
    "init": "files_host app_host",
    "link upload": "wanted filename max_size media_types uses lifetime public folder keep owner ini",
    "link list": "as_json ini",
    "link revoke": "ini",
    "ls": "as_json app_url user which",
    "find": "as_json app_url user",
    "machines cordon": "reason app_url token_file",
    "machines uncordon": "message app_url token_file",
    "machines forget": "app_url token_file",
    "machines import": "kind every private app_url token_file",
    "machines imports": "as_json app_url token_file",
    "machines list": "as_json app_url token_file",
    "machines offline": "message app_url token_file",
    "machines online": "message app_url token_file",
    "machines quiesce": "message app_url token_file",
    "machines request": "app_url token_file",
    "machines run": "hostname workers directory time_limit output_timeout log_limit file_limit disk_limit"
    " drain_deadline once local_repositories app_url token_file",
    "machines watchdog": "once app_url token_file",
    "mirrors add-distribution": "ini main_url",
    "mirrors add": "ini owner country speed content_type official",
    "mirrors disable": "ini",
    "mirrors enable": "ini",
    "mirrors import-archive": "ini keyring components allow_expired as_json",
    "mirrors import-images": "ini",
    "mirrors import-json": "ini",
    "mirrors list": "ini as_json",
    "mirrors probe": "ini content_type force max_mirrors no_mail every as_json",
    "mirrors review": "ini reviewer",
    "mirrors set-release": "ini active",
    "move-bytes": "target rate verify as_json ini",
    "move-tree": "target as_json ini",
    "mv": "app_url user",
    "pack": "days ini",
    "person add-token": "title scopes days ini",
    "person add": "display_name email teams no_password ini",
    "person disable": "ini",
    "person enable": "ini",
    "person list": "as_json ini",
    "person revoke-token": "ini",
    "person set-password": "generate ini",
    "person show": "as_json ini",
    "person tokens": "as_json ini",
    "put": "mimetype expires to restricted as_json user",
    "quota count": "ini",
    "quota list": "as_json ini",
    "quota set": "most_bytes most_files as_json ini",
    "quota show": "as_json ini",
    "release": "reason ini",
    "report": "top as_json ini",
    "restore": "to database_uri name bytes_at as_json",
    "rm": "recursive if_match app_url user",
    "scrub": "share rate budget repair_from as_json ini",
    "reindex": "anew ini",
    "send-events": "ini watch",
    "send-mail": "ini watch",
    "serve": "threads workers",
    "sweep": "dry_run as_json trust_empty_tree yes_really ini",
    "team add": "display_name owner ini",
    "team join": "ini",
    "team leave": "ini",
    "team list": "as_json ini",
    "team show": "as_json ini",
    "tokens create": "lifetime uses ini",
    "tokens list": "alias_id as_json ini",
    "tokens purge": "ini",
    "tracker": "verbose",
    "tokens revoke": "ini",
    "tracker cache-clean": "limit keep_percent every",
    "tracker cat": "no_cache refresh",
    "tracker get": "no_cache refresh",
    "tracker history": "as_json",
    "tracker ls": "not_after local as_json",
    "tracker migrate": "verify below jobs one_way as_json",
    "tracker prune": "ini dry_run as_json",
    "tracker put": "no_remote_cache",
    "tracker serve": "listen fallback_url threads",
    "undelete": "ini",
    "webhooks add": "ini",
    "webhooks deliveries": "as_json ini",
    "webhooks list": "as_json ini",
    "webhooks remove": "ini",
    "webhooks resend": "ini",
    "webhooks rotate": "ini",
}


def options(command: click.Command, path: str = "") -> Iterator[tuple[str, str]]:
    """Every option of a command and those below it, by the command's path."""
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name not in ("help", "version"):
            yield path or "librarian", str(parameter.name)
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from options(inner, f"{path} {name}".strip())


class Effects(unittest.TestCase):
    def refused(self, line: str) -> None:
        done = CliRunner().invoke(librarian, line.split(), env={"LIBRARIAN_TOKEN": "x"})
        self.assertEqual(done.exit_code, 2, (line, done.output))
        self.assertIn("Usage:", done.stderr, line)
        self.assertNotIn("Traceback", done.stderr)

    def test_every_option_of_every_command_is_looked_at(self) -> None:
        judged = [(command, name) for command, names in ALWAYS.items() for name in names.split()]
        judged += [(command, name) for command, lines in IDLE.items() for name in lines]
        there = list(options(librarian))
        told = "say in IDLE when it would have no effect, or in ALWAYS that there is no such time"
        self.assertEqual([each for each in there if each not in judged], [], told)
        self.assertEqual([each for each in judged if each not in there], [], "no longer there")
        self.assertEqual(len(judged), len(set(judged)), "judged twice")

    def test_what_would_have_no_effect_is_a_usage_error(self) -> None:
        for lines in (*(list(lines.values()) for lines in IDLE.values()), MORE):
            for line in lines:
                with self.subTest(line):
                    self.refused(line)

    def test_the_environment_is_said_for_many_commands(self) -> None:
        environ = {
            "LIBRARIAN_UPLOAD_URL": URL,
            "LIBRARIAN_RESTRICTED_UPLOAD_URL": URL,
            "LIBRARIAN_USER": "joe",
        }
        for line in (f"put {FILE}", f"put {FILE} --restricted", "info 5"):
            app = {"LIBRARIAN_APP_URL": URL, "LIBRARIAN_PASSWORD": "x", "LIBRARIAN_INI": "development.ini"}
            done = CliRunner().invoke(librarian, line.split(), env=environ | app)
            self.assertEqual(done.exit_code, 1, done.output)
            self.assertIn("refused", done.stderr)
