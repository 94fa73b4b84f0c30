"""What happens when a search has ended: its report, and the user's own command. Neither can break the study."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

from search.errors import UserError
from search.report import is_available, write_report
from search.study.config import StudyConfig
from search.study.folder import Study
from search.system.paths import expand_home
from search.terminal.live import SearchConsole

# The command is ended after this time, in seconds.
PATIENCE = 600.0
# Tells the command how the search ended: `finished`, `failed` if no trial completed, or `stopped` if it could not
# continue.
OUTCOME = "DEEPLAB_SEARCH_OUTCOME"


def end_search(study: Study, config: StudyConfig, console: SearchConsole, outcome: str) -> None:
    """Write the report if its packages are installed, then run `[study] on_end`."""
    _report(study, console)
    if config.study.on_end is not None:
        run_command(config.study.on_end, study, console, outcome)


def final_verdict(study: Study) -> str:
    """The report's verdict in one sentence, for the terminal."""
    # Late, because a mistake in a study file is reported before anything heavy is loaded.
    from search.report.history import read_history
    from search.report.verdict import verdict_of

    try:
        return verdict_of(read_history(study))[0]
    # The search is over and kept: whatever is wrong with a file must not make the command fail.
    except Exception as error:  # noqa: BLE001
        return f"no verdict: {type(error).__name__}: {error}. Try: deeplab-search report {study.folder}"


def command_note(config: StudyConfig) -> list[str]:
    """A note at the start of a search if its last command would not be found."""
    if config.study.on_end is None or shutil.which(name := _words(config.study.on_end)[0]):
        return []
    return [f"[study] on_end: there is no command {name!r} here yet; it is run when the search has ended"]


def run_command(command: str, study: Study, console: SearchConsole, outcome: str) -> None:
    """Run a command with the study's folder as its last argument; say how it failed if it did."""
    arguments = [*_words(command), str(study.folder)]
    console.say(f"on_end: {shlex.join(arguments)}")
    environment = {**os.environ, OUTCOME: outcome}
    try:
        # In a session of its own, so that Ctrl-C reaches only this process, which then ends the command.
        done = subprocess.run(
            arguments, stdin=subprocess.DEVNULL, env=environment, timeout=PATIENCE, start_new_session=True, check=False
        )
    except subprocess.TimeoutExpired:
        console.say(f"on_end: ended after {PATIENCE:.0f} s; the study is complete without it", "yellow")
    except KeyboardInterrupt:
        console.say("on_end: ended by Ctrl-C; the study is complete without it", "yellow")
    except OSError as error:
        console.say(f"on_end: {arguments[0]} cannot be run: {error.strerror}", "yellow")
    else:
        if done.returncode:
            console.say(f"on_end: exit status {done.returncode}; the study is complete without it", "yellow")


def _words(command: str) -> list[str]:
    """A command and its arguments; `~` is the home, as in a shell."""
    return [expand_home(word) for word in shlex.split(command)]


def _report(study: Study, console: SearchConsole) -> None:
    if not is_available():
        return
    try:
        write_report(study.folder)
    except UserError as error:
        console.say(f"no report: {error}", "yellow")
    # The search is over and kept: whatever is wrong with the page must not make the command fail.
    except Exception as error:  # noqa: BLE001
        console.say(f"no report: {type(error).__name__}: {error}. Try: deeplab-search report {study.folder}", "yellow")
