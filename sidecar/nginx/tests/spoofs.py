"""What clients send to be taken for somebody else, or for another request: written from the RFCs and the public history.

Each spoof has an id, its source (the RFC's section, or the CVE that it is a likeness of), what it tries, the bytes, and the
answers that it gets: status and our reason, "" where nginx refuses before we are asked. What reaches the application is
named too: nothing, unless an answer is 200. The twin differs in the tried thing alone, by two lines at most (FAR_TWINS are the
exceptions), and is accepted: so it is that thing which is refused.

`<alice>` and the like stand for tokens (test_spoofs.py makes them), EVIL for what must never be believed."""

import spoofs_of_callers
import spoofs_of_requests
from spoof import EVIL, SPOOFS

__all__ = ["EVIL", "FAR_TWINS", "SPOOFS"]
# Both fill SPOOFS.
TABLES = (spoofs_of_callers, spoofs_of_requests)
# HTTP/0.9 has one line, the preface of HTTP/2 none of ours.
FAR_TWINS = {"path-0.9", "framing-preface"}
