"""XML that a stranger wrote, read as it comes: no entities, no document types, no depth without end."""

from collections.abc import Callable, Mapping
from xml.parsers import expat

from pipeline.errors import Rejected

DEEPEST = 64

Start = Callable[[str, Mapping[str, str]], None]
End = Callable[[str], None]
Text = Callable[[str], None]


def read_xml(data: bytes, start: Start, end: End, text: Text) -> None:
    """Tell of every element without its name space, and of the text in it. Raises Rejected, saying where."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def opened(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise Rejected(f"elements are nested deeper than {DEEPEST}", code="bad_report")
        start(name.rpartition(":")[2], attributes)

    def closed(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(name.rpartition(":")[2])

    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = text
    # Entities are declared in a document type: without one there is nothing that could grow or read a file.
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as fault:
        raise Rejected(f"it is not well-formed XML ({fault})", code="bad_report") from fault


def _refuse(*_declared: object) -> None:
    raise Rejected("it declares a document type, which reports need not", code="bad_report")
