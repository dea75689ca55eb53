"""The style and icon of the status page, and a Content-Security-Policy that allows only these two.

Every pair of text and background colours has a contrast of at least 4.5 in both schemes (WCAG 2.1, 1.4.3).
"""

from __future__ import annotations

import base64
import hashlib
from typing import Final

from monitor.judge.promise.words import HEADS

#: on a small screen each cell of a promise has its head before it
_HEADS: Final = "".join(
    f"\n.promise td:nth-child({at}):before{{content:'{head}: ';color:var(--soft)}}"
    for at, head in enumerate(HEADS[1:], start=2)
)
_STYLE: Final = """
:root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--text:#16191d;--soft:#535c66;--rule:#d5dae0;--link:#0a58b5;
--page:#b3261e;--onpage:#fff;--ticket:#ffd27a;--onticket:#3a2600;--fine:#17653a;--area:#b9c2cc;--line:#b4430a}
@media(prefers-color-scheme:dark){:root{--ground:#0f1215;--card:#181c21;--text:#e8ebee;--soft:#a3adb8;--rule:#323a43;
--link:#7db8ff;--page:#ff8f85;--onpage:#2a0300;--ticket:#f2b94b;--onticket:#241700;--fine:#7fd6a4;--area:#4a5563;
--line:#ffab70}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.45 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:62rem;margin:auto;padding:1rem}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline}
header p{margin:.25rem 0 0;flex:1 0 100%;order:1}header .badge{margin-bottom:.25rem}
header nav{font-size:.875rem;margin-left:auto}nav a{margin-right:.75rem}
h1{font-size:1.25rem;margin:0}h2{font-size:1.125rem;margin:1.75rem 0 .5rem}
h3{font-size:1.0625rem;line-height:1.35;margin:0 0 .5rem}
p{margin:.25rem 0}a{color:var(--link)}
.card{background:var(--card);border:1px solid var(--rule);border-left:5px solid var(--rule);border-radius:6px;
padding:.75rem 1rem;margin:0 0 .75rem}
.card.page{border-left-color:var(--page)}.card.ticket{border-left-color:var(--ticket)}
.card.fine{border-left-color:var(--fine)}.card.unknown{border-left-color:var(--soft)}
.badge{display:inline-block;font-size:.8125rem;font-weight:700;line-height:1.25;padding:.125rem .5rem;border-radius:4px;
border:1px solid currentColor;margin-right:.375rem;vertical-align:.0625rem}
.badge.page{background:var(--page);color:var(--onpage);border-color:var(--page)}
.badge.ticket{background:var(--ticket);color:var(--onticket);border-color:var(--ticket)}
.badge.fine{color:var(--fine)}.badge.unknown{color:var(--soft);border-style:dashed}
small,.soft{color:var(--soft);font-size:.875rem;font-weight:400}
dl{display:grid;grid-template-columns:repeat(auto-fill,minmax(11rem,1fr));gap:.625rem 1.25rem;margin:.5rem 0 0}
dt{color:var(--soft);font-size:.8125rem}
dt::first-letter{text-transform:uppercase}dd{margin:0}dd small{display:block;line-height:1.3}
ol{list-style:none;margin:.75rem 0 0;padding:0}ol li{border-top:1px solid var(--rule);padding:.5rem 0}
ol li:last-child{padding-bottom:0}ol.card{margin-top:0}ol.card li:first-child{border-top:0;padding-top:0}
table{border-collapse:collapse;width:100%;table-layout:fixed;margin-top:.75rem}
.says::first-letter{text-transform:uppercase}table.promise{table-layout:auto}
.promise th,.promise td{width:auto;text-align:right}
.promise th:first-child{text-align:left}caption{text-align:left;font-weight:600;padding-bottom:.25rem}
tbody tr{border-top:1px solid var(--rule)}th,td{text-align:left;vertical-align:top;padding:.4375rem .75rem .4375rem 0}
th{font-weight:600;width:30%}td:last-child{padding-right:0}
thead th{color:var(--soft);font-size:.8125rem;font-weight:400;padding-bottom:.125rem}
td div{overflow:hidden}thead th+th{width:70%}.promise thead th+th{width:auto}
svg{width:135px;height:30px;overflow:visible;float:left;margin:3px 1rem 0 0}
path{transform:scale(1.5);vector-effect:non-scaling-stroke;fill:var(--area)}
path+path,.only path{fill:none;stroke:var(--line);stroke-width:2px}
pre{white-space:pre-wrap;font-size:.8125rem;margin:.25rem 0}
summary{cursor:pointer;color:var(--link);margin-top:.625rem}
.key{margin-bottom:.625rem}
.key svg{float:none;width:27px;height:12px;vertical-align:-1px;margin:0 .375rem 0 0}.key svg+svg{margin-left:.75rem}
.key path{transform:scale(.3,.6)}
@media(max-width:36rem){main{padding:.75rem}.card{padding:.625rem .75rem}
dl{grid-template-columns:1fr 1fr;gap:.5rem .75rem}thead{display:none}table,caption,tbody,tr,th{display:block}
tr{padding:.375rem 0}td{display:flow-root}th,td,thead th+th{width:auto;padding:.125rem 0}
.promise td{text-align:left}HEADS}
"""
STYLE: Final = _STYLE.replace("HEADS", _HEADS)

_ICON: Final = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
    "<path d='M1 12h3V8h3V4h3v4h5' fill='none' stroke='#b4430a' stroke-width='2'/></svg>"
)
#: the icon as a data URL, so that no request is made for it
ICON: Final = "data:image/svg+xml;base64," + base64.b64encode(_ICON.encode()).decode()

_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
#: HTTP header lines of the page
HEADERS: Final = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
)
