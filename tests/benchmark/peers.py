"""The filters that others use: OpenDKIM, OpenDMARC, pyspf-milter, dkimpy-milter and rspamd, of Debian.

Each only judges, and writes what it found into a header field. Their
configuration is the shortest that makes them do what policyd does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.contenders import Contender, Place, end, program
from parts.programs import PRIVATE, environment, spawn, stop
from parts.programs import program as located
from parts.redis_server import RedisServer

USER, GROUP = "nobody", "nogroup"
AUTHSERV_ID = "mx.bench.example"
PACKAGES = PRIVATE / "usr/lib/python3/dist-packages"

OPENDKIM = f"""\
Background no
Mode v
AuthservID {AUTHSERV_ID}
AlwaysAddARHeader yes
On-Default accept
Nameservers 127.0.0.1
UserID {USER}
UMask 000
Syslog no
"""
OPENDMARC = f"""\
Background false
AuthservID {AUTHSERV_ID}
TrustedAuthservIDs {AUTHSERV_ID}
SPFSelfValidate true
SPFIgnoreResults true
RejectFailures false
RequiredHeaders false
PublicSuffixList {{here}}/suffixes
UserID {USER}
UMask 000
Syslog false
"""
PYSPF = f"""\
debugLevel = 0
TestOnly = 1
HELO_reject = False
Mail_From_reject = False
PermError_reject = False
TempError_Defer = False
Header_Type = AR
Authserv_Id = {AUTHSERV_ID}
skip_addresses = 127.0.0.0/8
InternalHosts = 127.0.0.1
Socket = {{socket}}
PidFile = {{here}}/pid
UserID = {USER}:{GROUP}
"""
DKIMPY = f"""\
Syslog no
Mode v
AuthservID {AUTHSERV_ID}
InternalHosts 127.0.0.1
Socket {{socket}}
PidFile {{here}}/pid
UserID {USER}:{GROUP}
UMask 000
"""
RSPAMD = """\
modules {{ path = "${{PLUGINSDIR}}"; }}
options {{
  filters = "dkim"; pidfile = "{here}/pid"; tempdir = "{here}"; url_tld = "${{SHAREDIR}}/effective_tld_names.dat";
  control_socket = "{here}/control mode=0600"; history_rows = 200; task_timeout = 8s; local_addrs = [10.0.0.0/8];
  explicit_modules = ["ratelimit"]; cache_file = "{here}/symbols.cache"; hs_cache_dir = "{here}/";
  stats_file = "{here}/stats.ucl"; disable_monitoring = true;
  dns {{ nameserver = ["127.0.0.1"]; timeout = 1s; sockets = 16; retransmits = 5; }}
}}
logging {{ type = "file"; filename = "{here}/log"; level = "error"; }}
worker "rspamd_proxy" {{
  bind_socket = "{bind}"; milter = yes; timeout = 120s; count = {workers}; spam_header = "X-Spam";
  upstream "local" {{ default = yes; self_scan = yes; }}
}}
redis {{ servers = "127.0.0.1:{redis}"; }}
actions {{ reject = 1000; }}
spf {{ spf_cache_size = 2k; spf_cache_expire = 1d; }}
dkim {{ dkim_cache_size = 2k; dkim_cache_expire = 1d; time_jitter = 6h; trusted_only = false; skip_multi = false; }}
dmarc {{ actions = {{ quarantine = "add_header"; reject = "add_header"; }} reporting {{ enabled = false; }} }}
arc {{ sign_authenticated = false; sign_inbound = false; sign_local = false; }}
ratelimit {{ rates {{ bench {{ bucket = {{ burst = 1000000; rate = "1000000 / 1min"; }} selector = "ip"; }} }} }}
milter_headers {{
  use = ["authentication-results"]; skip_local = false; skip_authenticated = false;
  routines {{ authentication-results {{ header = "Authentication-Results"; remove = 1; add_smtp_user = false; }} }}
}}
"""


def opendkim() -> Contender:
    """DKIM, in C."""
    executable = located("opendkim")

    def command(place: Place, here: Path) -> list[str | Path]:
        return [executable, "-f", "-x", _file(here, OPENDKIM), "-p", place.for_milter, "-P", here / "pid"]

    return Contender("OpenDKIM", program(command, environment(executable)))


def opendmarc() -> Contender:
    """DMARC, in C, with an SPF of its own; reads the results of an OpenDKIM before it."""
    executable = located("opendmarc")

    def command(place: Place, here: Path) -> list[str | Path]:
        (here / "suffixes").write_text("example\n")
        return [executable, "-f", "-c", _file(here, OPENDMARC), "-p", place.for_milter, "-P", here / "pid"]

    return Contender("OpenDMARC", program(command, environment(executable)), pack="-examined")


def pyspf_milter(dnspython: bool) -> Contender:
    """SPF, in Python: with dnspython where that is installed, else with py3dns, which is faster."""
    executable = located("pyspf-milter")

    def command(place: Place, here: Path) -> list[str | Path]:
        return [executable, _file(here, PYSPF, socket=place.for_milter)]

    resolver = "dnspython" if dnspython else "py3dns"
    return Contender(f"pyspf-milter, {resolver}", program(command, _debian_python(dnspython)))


def dkimpy_milter() -> Contender:
    """DKIM, in Python."""
    executable = located("dkimpy-milter")

    def command(place: Place, here: Path) -> list[str | Path]:
        return [executable, _file(here, DKIMPY, socket=place.for_milter)]

    return Contender("dkimpy-milter", program(command, _debian_python(dnspython=True)))


def rspamd(redis: RedisServer, workers: int) -> Contender:
    """In C, with nothing on but spf, dkim, dmarc, arc and ratelimit."""
    executable = located("rspamd")

    @contextmanager
    def start(place: Place, here: Path) -> Iterator[int]:
        bind = f"{place.path} mode=0666" if place.path else f"127.0.0.1:{place.port}"
        configuration = _file(here, RSPAMD, bind=bind, workers=str(workers), redis=str(redis.port))
        root = PRIVATE if executable.is_relative_to(PRIVATE) else Path("/")
        paths = [f"--var={name}={root}/usr/share/rspamd{where}" for name, where in RSPAMD_PATHS.items()]
        command: list[str | Path] = [executable, "-f", "-u", USER, "-g", GROUP, "-c", configuration, *paths]
        shutil.chown(here, USER, GROUP)
        process = spawn(command, here / "output", _rspamd_environment(executable))
        try:
            yield process.pid
        finally:
            end(process.pid, lambda: stop(process, patience=2))

    return Contender(f"rspamd, {workers} worker" + "s" * (workers > 1), start)


RSPAMD_PATHS = {"SHAREDIR": "", "PLUGINSDIR": "/plugins", "RULESDIR": "/rules", "LUALIBDIR": "/lualib"}


def _rspamd_environment(executable: Path) -> dict[str, str]:
    found = environment(executable)
    own = f"{PRIVATE}/usr/lib/rspamd:{PRIVATE}/usr/share/rspamd/lib"
    return found | {"LD_LIBRARY_PATH": f"{found.get('LD_LIBRARY_PATH', '')}:{own}"}


def _debian_python(dnspython: bool) -> dict[str, str]:
    """For Debian's own interpreter and modules. *dnspython*: whether it finds that."""
    places = [PACKAGES]
    if not dnspython:
        places.insert(0, hidden := PRIVATE.parent / "benchmark" / "without-dnspython")
        (hidden / "dns").mkdir(parents=True, exist_ok=True)
        (hidden / "dns" / "__init__.py").write_text("raise ImportError('hidden for the benchmark')\n")
    unwanted = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    found = {name: value for name, value in environment(PACKAGES).items() if name not in unwanted}
    return found | {"PYTHONPATH": os.pathsep.join(map(str, places))}


def _file(here: Path, text: str, **values: str) -> Path:
    path = here / "conf"
    path.write_text(text.format(here=here, **values))
    return path
