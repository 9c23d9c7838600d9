"""Send and receive frames over a socket, up to a time."""

import socket
import time
from typing import Any

from medcourse.grading.sandbox import wire


class ChannelClosedError(Exception):
    """The other side is gone."""


class Channel:
    """One end of a connection between two processes of the grader.

    Parameters
    ----------
    connection
        A connected stream socket.
    most
        Bytes that one frame may have.
    """

    def __init__(self, connection: socket.socket, most: int) -> None:
        self.socket, self.most = connection, most

    def send(self, frame: list[Any], deadline: float | None = None) -> None:
        """Send a frame.

        Parameters
        ----------
        frame
            What it says.
        deadline
            In seconds of `time.monotonic`.

        Raises
        ------
        TimeoutError, ChannelClosedError, wire.WireError
            Nobody took it in time; nobody is there; it cannot be sent, and nothing was.
        """
        data = wire.pack(frame, self.most)
        self._limit(deadline)
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise ChannelClosedError(str(error)) from None

    def receive(self, deadline: float | None = None, most: int | None = None) -> list[Any]:
        """Return the next frame, its values not decoded; it may have `most` bytes, if that is less than any may.

        Raises
        ------
        TimeoutError, ChannelClosedError, wire.WireError
            None came in time; nobody is there; something came that is no frame.
        """
        head = self._read(wire.HEAD_BYTES, deadline)
        length = wire.unpack_head(head, self.most if most is None else min(most, self.most))
        return wire.unpack(self._read(length, deadline))

    def close(self) -> None:
        """Let go of the connection."""
        self.socket.close()

    def _read(self, length: int, deadline: float | None) -> bytes:
        got = bytearray()  # and not a list of pieces: of one byte each they would take forty
        while len(got) < length:
            self._limit(deadline)  # of all pieces together: one byte at a time must not make it longer
            try:
                piece = self.socket.recv(min(length - len(got), 1 << 20))
            except TimeoutError:
                raise
            except OSError as error:
                raise ChannelClosedError(str(error)) from None
            if not piece:
                raise ChannelClosedError("closed")
            got += piece
        return bytes(got)

    def _limit(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self.socket.settimeout(left)
