"""A real browser, driven over its debugging pipe: pages opened, scripts run in them, pictures taken."""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time


def found():
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """As root the browser runs without its sandbox, which it says; otherwise with it."""

    def __init__(self, folder, width=1200, height=900):
        to_browser, self.out = os.pipe()
        self.into, from_browser = os.pipe()
        argv = [found(), "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={folder}", "--no-first-run",
                "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--mute-audio", "--disable-background-networking",
                "--disable-component-update", "--disable-sync", "--no-default-browser-check", "--disable-dev-shm-usage",
                "--autoplay-policy=no-user-gesture-required", f"--window-size={width},{height}", "about:blank"]
        if os.geteuid() == 0:
            argv.insert(1, "--no-sandbox")
        # The pipe is descriptors 3 and 4 of the browser.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (to_browser, from_browser)]

        def place():
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self.process = subprocess.Popen(argv, preexec_fn=place, pass_fds=(3, 4), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        for fd in high:
            os.close(fd)
        os.close(to_browser)
        os.close(from_browser)
        self.pending, self.number, self.events = b"", 0, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def _read(self, deadline):
        while b"\0" not in self.pending:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.into], [], [], left)[0]:
                raise TimeoutError("the browser does not answer")
            piece = os.read(self.into, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has gone")
            self.pending += piece
        one, self.pending = self.pending.split(b"\0", 1)
        return json.loads(one)

    def call(self, method, timeout=60, **params):
        self.number += 1
        wish = {"id": self.number, "method": method, "params": params}
        if getattr(self, "session", None) and not method.startswith("Target."):
            wish["sessionId"] = self.session
        os.write(self.out, json.dumps(wish).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            answer = self._read(deadline)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def go(self, url):
        self.events.clear()
        result = self.call("Page.navigate", url=url)
        assert "errorText" not in result, result

    def run(self, script, timeout=60):
        """The value of an expression in the page; a promise is awaited."""
        result = self.call("Runtime.evaluate", timeout=timeout, expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def wait_for(self, script, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            value = self.run(script)
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"never became true in the page: {script}\nconsole: {self.console()}")
            time.sleep(0.2)

    def console(self):
        """What the page complained about."""
        self.run("0")
        said = []
        for event in self.events:
            if event.get("method") == "Runtime.exceptionThrown":
                said.append(str(event["params"]["exceptionDetails"]))
            if event.get("method") == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                said.append(event["params"]["entry"]["text"])
        return said

    def screenshot(self, path, width=None, height=None, dark=False):
        if width:
            self.call("Emulation.setDeviceMetricsOverride", width=width, height=height or 900, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close", timeout=5)
        except (RuntimeError, TimeoutError, OSError):
            pass
        os.close(self.out)
        os.close(self.into)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
