"""What limits of other systems are held against."""

from __future__ import annotations

from typing import Final

#: shares of events
MISSING: Final = "missing"
UNSEEN: Final = "unseen"
OUTSIDE: Final = "outside"
TYPE: Final = "type"
#: distances from the reference, of the shares of all values
LINF: Final = "linf"
JENSEN_SHANNON: Final = "jensen_shannon_divergence"
JENSEN_SHANNON_DISTANCE: Final = "jensen_shannon_distance"
KS: Final = "ks"
PSI: Final = "psi"
