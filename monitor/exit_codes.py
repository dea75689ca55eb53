"""What a command's exit code says."""

from __future__ import annotations

from typing import Final

DONE: Final = 0
#: a bug of ours; of a daemon also that its last state could not be kept, for a reason that may heal
BUG: Final = 1
#: settings, references or arguments are wrong
USAGE: Final = 2
#: `--fail-on` met what it asks for, or an audit found that lines are missing, changed or added
FAILED_ON: Final = 3
#: Kafka or the disk refused, or did not answer
REFUSED: Final = 4
#: a signal's code is this and its number
SIGNALLED: Final = 128
#: Ctrl-C
INTERRUPTED: Final = SIGNALLED + 2
