# SPDX-License-Identifier: MIT
"""Processes in a namespace: started, watched by their logs, ended by their id."""
import ctypes
import os
import re
import signal
import subprocess
import time

POLL = 0.01
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(AssertionError):
    """The lab or what runs in it did not do what the scenario needs."""


def wait_until(predicate, timeout=10, what="the condition", interval=POLL):
    """Calls `predicate` until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise LabError(f"{what}: not within {timeout} s")
        time.sleep(interval)


def _die_with_parent():
    _libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: nothing outlives a killed test run


def run_here(command, check=True, timeout=30, stdin=None, env=None):
    """Runs a command to its end. Returns the CompletedProcess; raises LabError on failure."""
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=timeout, env=env,
            errors="replace", preexec_fn=_die_with_parent,
        )
    except subprocess.TimeoutExpired as late:
        raise LabError(f"{' '.join(command)}: not done within {timeout} s\n{late.output}") from None
    if check and done.returncode != 0:
        raise LabError(
            f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
        )
    return done


class Process:
    """One running command; standard output and error go to files of their own."""

    def __init__(self, command, log_base, label, env=None):
        self.label = label
        self.command = command
        self.out_path = log_base + ".out"
        self.err_path = log_base + ".err"
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.popen = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=out, stderr=err, env=env,
                start_new_session=True, preexec_fn=_die_with_parent,
            )
        self.pid = self.popen.pid

    @staticmethod
    def _read(path):
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")

    @property
    def out(self):
        return self._read(self.out_path)

    @property
    def err(self):
        return self._read(self.err_path)

    @property
    def text(self):
        return self.out + self.err

    @property
    def running(self):
        return self.popen.poll() is None

    def send(self, text):
        self.popen.stdin.write(text.encode())
        self.popen.stdin.flush()

    def close_stdin(self):
        self.popen.stdin.close()

    def wait_for(self, pattern, timeout=10, since=0):
        """Waits until a line of standard output (from offset `since`) or error matches."""
        regex = re.compile(pattern, re.MULTILINE)

        def look():
            alive = self.running  # before reading: what it wrote last still counts
            found = regex.search(self.out[since:]) or regex.search(self.err)
            if not found and not alive:
                status = self.popen.returncode
                raise LabError(f"{self.label} ended ({status}) before {pattern!r}\n{self.text}")
            return found

        return wait_until(look, timeout, f"{self.label}: {pattern!r}")

    def wait(self, timeout=10):
        """Waits for the end; returns the exit status."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{self.label}: still running after {timeout} s") from None

    def stop(self, timeout=5, sig=signal.SIGTERM):
        """Ends it; returns the exit status. After `timeout` it is killed, and -9 tells."""
        if self.running:
            self.popen.send_signal(sig)
            try:
                self.popen.wait(timeout)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        if self.popen.stdin and not self.popen.stdin.closed:
            try:
                self.popen.stdin.close()
            except BrokenPipeError:
                pass
        return self.popen.returncode

    def kill(self):
        return self.stop(sig=signal.SIGKILL)


def kill_pid(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
