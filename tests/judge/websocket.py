"""Websockets as a judge needs them: a client and a server of their own, by RFC 6455 and nothing of weir's."""
import base64
import hashlib
import os
import socket
import ssl
import struct
import threading
import time

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The other side answered the upgrade with something else."""

    def __init__(self, status, headers, body):
        super().__init__(f"{status}: {body[:200]!r}")
        self.status, self.headers, self.body = status, headers, body


class Closed(Exception):
    def __init__(self, code=None, reason=""):
        super().__init__(f"closed {code} {reason}")
        self.code, self.reason = code, reason


def mask(payload, key):
    if not payload:
        return b""
    whole = (key * (len(payload) // 4 + 1))[:len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(len(payload), "big")


def frame(opcode, payload, key=None, fin=True):
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if key else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 1 << 16:
        head += bytes([bit | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", len(payload))
    return head + (key + mask(payload, key) if key else payload)


def read_head(sock):
    """One HTTP head, as its first line and its fields, and what came behind it."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(65536)
        if not piece:
            raise Closed(None, "no answer")
        data += piece
        assert len(data) < 1 << 20
    head, rest = data.split(b"\r\n\r\n", 1)
    lines = head.decode("latin-1").split("\r\n")
    return lines[0], {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}, rest


class Socket:
    """A connection after its handshake. Frames are judged: one that breaks a rule fails the test."""

    def __init__(self, sock, early=b"", client=True):
        self.sock, self.client = sock, client
        self.pending = bytearray(early)
        self.frames = []  # (opcode, fin, length) of all that came
        self.close_code = None

    def _need(self, count, deadline):
        while len(self.pending) < count:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("nothing whole came in time")
            self.sock.settimeout(left)
            try:
                piece = self.sock.recv(1 << 18)
            except socket.timeout:
                raise TimeoutError("nothing whole came in time") from None
            except (ConnectionError, ssl.SSLError) as e:
                raise Closed(None, str(e)) from None
            if not piece:
                raise Closed(self.close_code, "end of the connection")
            self.pending += piece

    def read_frame(self, timeout=10):
        deadline = time.monotonic() + timeout
        self._need(2, deadline)
        a, b = self.pending[0], self.pending[1]
        assert a & 0x70 == 0, "reserved bits"
        assert bool(b & 0x80) != self.client, "masking the wrong way"
        at, length = 2, b & 0x7F
        if length == 126:
            self._need(4, deadline)
            length, at = struct.unpack_from(">H", self.pending, 2)[0], 4
            assert length >= 126, "a length not in its shortest form"
        elif length == 127:
            self._need(10, deadline)
            length, at = struct.unpack_from(">Q", self.pending, 2)[0], 10
            assert length >= 1 << 16, "a length not in its shortest form"
        key = None
        if b & 0x80:
            self._need(at + 4, deadline)
            key = bytes(self.pending[at:at + 4])
            at += 4
        self._need(at + length, deadline)
        payload = bytes(self.pending[at:at + length])
        del self.pending[:at + length]
        if key:
            payload = mask(payload, key)
        opcode, fin = a & 15, bool(a & 0x80)
        if opcode >= 8:
            assert fin and length <= 125, "a control frame too long or in parts"
        self.frames.append((opcode, fin, length))
        return opcode, fin, payload

    def read(self, timeout=10, control=False):
        """The next message as (opcode, payload); pings are answered; with control=True control frames are handed out."""
        deadline = time.monotonic() + timeout
        kind, parts = None, []
        while True:
            opcode, fin, payload = self.read_frame(max(0.001, deadline - time.monotonic()))
            if opcode >= 8:
                if control:
                    return opcode, payload
                if opcode == PING:
                    self.send_frame(PONG, payload)
                if opcode == CLOSE:
                    self.close_code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                    raise Closed(self.close_code, payload[2:].decode())
                continue
            kind = opcode if kind is None else kind
            parts.append(payload)
            if fin:
                return kind, b"".join(parts)

    def send_frame(self, opcode, payload=b"", fin=True, key=...):
        if key is ...:
            key = os.urandom(4) if self.client else None
        self.sock.settimeout(20)
        self.sock.sendall(frame(opcode, payload, key, fin))

    def send_text(self, text):
        self.send_frame(TEXT, text.encode())

    def send_binary(self, data):
        self.send_frame(BINARY, data)

    def close(self, code=1000, reason=""):
        try:
            self.send_frame(CLOSE, struct.pack(">H", code) + reason.encode())
        except OSError:
            pass
        self.abort()

    def abort(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.abort()


def connect(port, path, headers=(), protocols=(), host="127.0.0.1", tls=None, timeout=10, receive_buffer=None):
    """`tls`: an ssl.SSLContext. `receive_buffer`: for a viewer that is soon full."""
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.settimeout(timeout)
    sock.connect((host, port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if tls:
        sock = tls.wrap_socket(sock, server_hostname="localhost")
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}:{port}", "Upgrade: websocket", "Connection: Upgrade",
             f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
    if protocols:
        lines.append("Sec-WebSocket-Protocol: " + ", ".join(protocols))
    lines += [f"{k}: {v}" for k, v in headers]
    sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
    first, fields, rest = read_head(sock)
    status = int(first.split()[1])
    if status != 101:
        length = int(fields.get("content-length", 0))
        while len(rest) < length:
            piece = sock.recv(65536)
            if not piece:
                break
            rest += piece
        sock.close()
        raise Refused(status, fields, rest)
    accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    assert fields["sec-websocket-accept"] == accept
    made = Socket(sock, rest)
    made.fields = fields
    return made


class Server:
    """A far websocket server: each connection runs `serve(socket, path, headers)` on a thread of its own. `refuse`: a function of
    (number of the attempt, path, headers) that answers None or the HTTP status to refuse with."""

    def __init__(self, serve=None, refuse=None, port=0, tls=None):
        self.serve = serve or self._keep
        self.refuse, self.tls = refuse, tls
        self.messages = []   # (connection number, opcode, payload)
        self.attempts = []   # (monotonic time, path, headers)
        self.sockets = []
        self.changed = threading.Condition()
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(600)
        self.port = self.listener.getsockname()[1]
        self.running = True
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while self.running:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(sock,), daemon=True).start()

    def _one(self, sock):
        try:
            if self.tls:
                sock = self.tls.wrap_socket(sock, server_side=True)
            first, fields, rest = read_head(sock)
            path = first.split()[1]
            with self.changed:
                number = len(self.attempts)
                self.attempts.append((time.monotonic(), path, fields))
                self.changed.notify_all()
            status = self.refuse and self.refuse(number, path, fields)
            if status:
                sock.sendall(f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                sock.close()
                return
            accept = base64.b64encode(hashlib.sha1((fields["sec-websocket-key"] + GUID).encode()).digest()).decode()
            sock.sendall(("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          f"Sec-WebSocket-Accept: {accept}\r\n\r\n").encode())
            made = Socket(sock, rest, client=False)
            made.number = number
            with self.changed:
                self.sockets.append(made)
                self.changed.notify_all()
            self.serve(made, path, fields)
        except (Closed, OSError, ssl.SSLError):
            pass

    def _keep(self, made, path, fields):
        while True:
            opcode, payload = made.read(timeout=600)
            with self.changed:
                self.messages.append((made.number, opcode, payload))
                self.changed.notify_all()

    def keep(self, made, opcode, payload):
        with self.changed:
            self.messages.append((made.number, opcode, payload))
            self.changed.notify_all()

    def wait(self, holds, timeout=20):
        """Waits until `holds()`; false when it did not in time."""
        with self.changed:
            return self.changed.wait_for(holds, timeout)

    def close(self):
        self.running = False
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for made in list(self.sockets):
            try:
                made.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            made.abort()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
