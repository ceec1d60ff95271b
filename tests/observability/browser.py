"""Headless Chromium, controlled over its debugging pipe without a driver or a package."""

from __future__ import annotations

import base64
import json
import os
import pathlib
import shutil
import subprocess
import time

STARTS_WITHIN_S = 60
ANSWERS_WITHIN_S = 60


class Browser:
    def __init__(self, folder: pathlib.Path) -> None:
        program = shutil.which("chromium")
        assert program, "the browser comes with the package chromium"
        to_browser, ours_to = os.pipe()
        ours_from, from_browser = os.pipe()

        def give_descriptors() -> None:  # it reads from 3 and writes to 4
            os.dup2(to_browser, 103)
            os.dup2(from_browser, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self._process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-extensions", "--remote-debugging-pipe",
             f"--user-data-dir={folder / 'profile'}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=give_descriptors, close_fds=False, start_new_session=True,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._out, self._in = ours_to, ours_from
        self._unread = b""
        self._number = 0
        self._session: str | None = None
        self.console: list[str] = []

    def open(self, url: str, width: int, height: int, dark: bool = False) -> None:
        """Opens a page. Its warnings and errors are appended to `console`."""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self.console.clear()
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str):
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = ANSWERS_WITHIN_S) -> None:
        deadline = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < deadline, f"never true: {expression}\nthe page shows: {self.evaluate('document.body.innerText')}"
            time.sleep(0.2)

    def screenshot(self, file: pathlib.Path) -> None:
        taken = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(taken["data"]))

    def close(self) -> None:
        try:
            self._session = None
            self._send("Browser.close")
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)

    def _send(self, method: str, **parameters) -> int:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        return self._number

    def _call(self, method: str, **parameters) -> dict:
        number = self._send(method, **parameters)
        while True:
            message = self._receive()
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message)

    def _receive(self) -> dict:
        while b"\0" not in self._unread:
            part = os.read(self._in, 1 << 16)
            assert part, f"the browser ended with {self._process.poll()}"
            self._unread += part
        text, self._unread = self._unread.split(b"\0", 1)
        return json.loads(text)

    def _note(self, message: dict) -> None:
        parameters = message.get("params", {})
        match message.get("method"):
            case "Runtime.consoleAPICalled" if parameters["type"] in ("error", "warning", "assert"):
                self.console.append(str([argument.get("value") for argument in parameters["args"]]))
            case "Runtime.exceptionThrown":
                self.console.append(str(parameters["exceptionDetails"]))
            case "Log.entryAdded" if parameters["entry"]["level"] in ("error", "warning"):
                self.console.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
