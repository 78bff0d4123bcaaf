"""What a fuzzer tries out at the mask: a secret, how the output is cut, and the output."""

from collections.abc import Iterable

from pipeline.masking import MASK, MaskedLines
from pipeline.masking_forms import SHORTEST
from runtime.lines import Lines
from runtime.transcript_text import one_line


def shown(chunks: Iterable[bytes], secrets: Iterable[str]) -> str:
    """Return what a transcript holds of these chunks of output."""
    lines, masked = Lines(), MaskedLines()
    kept: list[str] = []
    masked.mask.hide(secrets)
    for chunk in chunks:
        for line in lines.feed(chunk):
            kept += masked.feed(line)
    for line in lines.flush():
        kept += masked.feed(line)
    return "".join(f"{one_line(line)}\n" for line in (*kept, *masked.flush()))


def try_out(data: bytes) -> None:
    """Hide the first line of an input from the rest, which comes in pieces. Raises if it can be read."""
    first, _, rest = data.partition(b"\n")
    secret = first.decode("utf-8", "replace").strip()
    if len(secret) < SHORTEST or secret in MASK or not secret.isprintable():
        return
    size = 1 + first[0] % 16
    said = rest.replace(b"S", first.strip()) + first
    found = shown([said[at : at + size] for at in range(0, len(said), size)], [secret])
    if secret in found:
        raise AssertionError(f"{secret!r} can be read in {found!r}")
