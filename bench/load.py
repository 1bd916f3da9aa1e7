"""Load on one address for some seconds: wrk where it is installed, else a client of our own. Loopback only."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from urllib.parse import urlsplit
from uuid import uuid4

CONNECTIONS = 16
TIMEOUT = "30s"  # a late answer is slow, not wrong
PATIENCE = (1, 5)
"""How many times as long a server is asked that gave no answer yet: it may still open its connections."""
LOOPBACK = ("127.0.0.1", "localhost")
SERIAL = "__serial__"
"""In a body or a header, what is another text in every request: a mutation repeated would only be a retry."""
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, sent again and again."""

    url: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Measured:
    """Answers per second, how many milliseconds the middle one and the slowest hundredth took, and how many came."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answers: int


def name() -> str:
    """What sends the load here: `wrk`, or the `built-in` client, which takes more of the machine itself."""
    return "wrk" if shutil.which("wrk") else "built-in"


def numbered(request: Request) -> Request:
    """The request as it is sent once."""
    serial = uuid4().hex
    headers = tuple((name, value.replace(SERIAL, serial)) for name, value in request.headers)
    return replace(request, headers=headers, body=request.body.replace(SERIAL.encode(), serial.encode()))


async def load(request: Request, seconds: float, connections: int = CONNECTIONS) -> Measured:
    """Sends the request over so many connections without pause.

    Raises RuntimeError for any answer but 200, and for none.
    """
    if urlsplit(request.url).hostname not in LOOPBACK:
        raise ValueError("load is for this machine only")
    for patience in PATIENCE:
        measured = await (_wrk if name() == "wrk" else _own)(request, seconds * patience, connections)
        if measured.answers:
            return measured
    raise RuntimeError(f"no answer within {PATIENCE[-1] * seconds} s")


async def _wrk(request: Request, seconds: float, connections: int) -> Measured:
    headers = "".join(f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}\n" for name, value in request.headers)
    body = request.body.decode().replace("]==]", "")
    script = f"wrk.method = {json.dumps(request.method)}\n{headers}" + (f"wrk.body = [==[{body}]==]\n" if body else "")
    script += _numbered(request)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        process = await asyncio.create_subprocess_exec(
            *(
                "wrk",
                "-t1",
                f"-c{connections}",
                f"-d{max(1, round(seconds))}s",
                "--latency",
                "--timeout",
                TIMEOUT,
                "-s",
                file.name,
                request.url,
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
    if "Non-2xx" in said or "Socket errors" in said or process.returncode:
        raise RuntimeError(f"the server did not answer every request with 200:\n{said}")
    rate = re.search(r"Requests/sec:\s+([0-9.]+)", said)
    times = dict(re.findall(r"(50|99)%\s+([0-9.]+[a-z]+)", said))
    count = re.search(r"(\d+) requests in", said)
    if rate is None or count is None or len(times) != 2:
        raise RuntimeError(f"wrk said nothing that can be read:\n{said}")
    return Measured(float(rate[1]), _milliseconds(times["50"]), _milliseconds(times["99"]), int(count[1]))


def _numbered(request: Request) -> str:
    if not _differs(request):
        return ""
    # Put together once, and cut where the number stands: the load's own CPU is taken from whom it measures.
    return f"""local run, count, pieces = "{uuid4().hex[:12]}", 0, {{}}
local function numbered() return string.format("%s%08d", run, count) end
function init()
  local headers = {{}}
  for name, value in pairs(wrk.headers) do headers[name] = (tostring(value):gsub("{SERIAL}", numbered())) end
  local body = wrk.body and wrk.body:gsub("{SERIAL}", numbered())
  local rest = wrk.format(nil, nil, headers, body)
  local from, to = rest:find(numbered(), 1, true)
  while from do
    pieces[#pieces + 1], rest = rest:sub(1, from - 1), rest:sub(to + 1)
    from, to = rest:find(numbered(), 1, true)
  end
  pieces[#pieces + 1] = rest
end
function request()
  count = count + 1
  return table.concat(pieces, numbered())
end
"""


def _differs(request: Request) -> bool:
    return SERIAL.encode() in request.body or any(SERIAL in value for _, value in request.headers)


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return float(number) * _UNITS[unit]


async def _own(request: Request, seconds: float, connections: int) -> Measured:
    end = time.perf_counter() + seconds
    began = time.perf_counter()
    taken = [
        time_ms for one in await asyncio.gather(*(_client(request, end) for _ in range(connections))) for time_ms in one
    ]
    elapsed = time.perf_counter() - began
    if not taken:
        return Measured(0.0, 0.0, 0.0, 0)
    taken.sort()
    return Measured(len(taken) / elapsed, taken[len(taken) // 2], taken[int(len(taken) * 0.99)], len(taken))


async def _client(request: Request, end: float) -> list[float]:
    parts = urlsplit(request.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    fixed = b"" if _differs(request) else _message(request)
    taken: list[float] = []
    try:
        while time.perf_counter() < end:
            message = fixed or _message(numbered(request))
            began = time.perf_counter()
            writer.write(message)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: ([0-9]+)", head.lower())
            if not head.startswith(b"HTTP/1.1 200") or length is None:
                raise RuntimeError(f"the server answered: {head.splitlines()[0].decode()}")
            await reader.readexactly(int(length[1]))
            taken.append((time.perf_counter() - began) * 1000)
    finally:
        writer.close()
    return taken


def _message(request: Request) -> bytes:
    parts = urlsplit(request.url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(request.body)}"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + request.body
