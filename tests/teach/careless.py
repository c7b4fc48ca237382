"""Files of careless students: what they do, and what the reason has to say."""

from __future__ import annotations

from dataclasses import dataclass

from wrong_solutions import solution

TANH = solution("tanh")


def inside(statement: str, imports: str = "") -> str:
    """The right solution, with a statement in its forward pass."""
    return f"{imports}\n" + TANH.replace(
        "self.y = np.tanh(x)", f"{statement}\n        self.y = np.tanh(x)"
    )


def behind(code: str) -> str:
    """The right solution, with code below the class."""
    return f"{TANH}\n\n{code}\n"


@dataclass(frozen=True)
class Careless:
    source: bytes
    points: float
    phrase: str
    posix: bool = False


def c(source: str | bytes, points: float, phrase: str, posix: bool = False) -> Careless:
    return Careless(source if isinstance(source, bytes) else source.encode(), points, phrase, posix)


SWALLOW = "while True:\n            try:\n                time.sleep(0.01)\n            except:\n                pass"

CARELESS: dict[str, Careless] = {
    "right": c(TANH, 10.0, ""),
    "nothing": c("", 0.0, "there is no Tanh yet"),
    "another name": c(TANH.replace("class Tanh", "class TanH"), 0.0, "there is no Tanh yet"),
    "syntax": c("def f(:\n    pass\n", 0.0, "it is not valid Python: invalid syntax (line 1: def f(:)"),
    "zero byte": c(b"a = 1\x00\n", 0.0, "null bytes"),
    "Latin-1": c(b"name = '\xe9'\n" + TANH.encode(), 0.0, "it is not valid Python"),
    "missing module": c("import no_such_module\n" + TANH, 0.0, "it raises ModuleNotFoundError"),
    "raises": c(inside("raise ValueError('no luck')"), 0.0, "it raises ValueError: no luck (line 7: raise"),
    "sys.exit": c(inside("sys.exit(0)", "import sys"), 0.0, "it ends the program (sys.exit)"),
    "sys.exit in the file": c("import sys\nsys.exit()\n" + TANH, 0.0, "it ends the program (sys.exit)"),
    "sys.exit behind": c(behind("raise SystemExit"), 10.0, "the file does not run to its end: it ends the program"),
    "os._exit": c(inside("os._exit(0)", "import os"), 0.0, "it ends the whole process (os._exit, code 0)"),
    "os._exit in the file": c("import os\nos._exit(7)\n" + TANH, 0.0, "it ends the whole process (os._exit, code 7)"),
    "crash": c(inside("ctypes.string_at(0)", "import ctypes"), 0.0, "it crashes the whole process (SIGSEGV)", posix=True),
    "killed": c(inside("os.kill(os.getpid(), 9)", "import os"), 0.0, "(SIGKILL: perhaps out of memory)", posix=True),
    "crash in the edge cases": c(inside("if np.max(x) > 900: os.abort()", "import os"), 7.0, "it crashes the whole process (SIGABRT)", posix=True),
    "loop": c(inside("while True: pass"), 0.0, "it takes longer than 3 s", posix=True),
    "loop behind": c(behind("while True: pass"), 10.0, "the file does not run to its end: it takes longer than 3 s", posix=True),
    "input": c(inside("input('x?')"), 0.0, "it waits for input"),
    "input behind": c(behind("import sys\nassert sys.stdin.read() == ''\ninput()"), 10.0, "it waits for input"),
    "prints": c(behind("for _ in range(20_000): print('x' * 1000)"), 10.0, ""),
    "closes stdout": c("import os, sys\nsys.stdout.close()\nos.close(1)\n" + TANH, 10.0, ""),
    "fork": c(inside("while True: os.fork()", "import os"), 0.0, "no process may be started here (os.fork)", posix=True),
    "subprocess": c("import subprocess\nsubprocess.run(['python'])\n" + TANH, 0.0, "no process may be started here (subprocess.Popen)"),
    "shell": c(behind("import os\nos.system('echo 1')"), 10.0, "no process may be started here (os.system)"),
    "threads": c(behind("import threading, time\nfor _ in range(3):\n    threading.Thread(target=time.sleep, args=(900,)).start()"), 10.0, ""),
    "memory": c(inside("self.kept = np.ones(2**31)"), 0.0, "it needs more memory than the 512 MB", posix=True),
    "large file": c(behind("with open('large', 'w') as f:\n    while True: f.write('x' * 2**20)"), 10.0, "File too large", posix=True),
    "dataclass": c(behind("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int' = 1"), 10.0, ""),
    "no recursion limit": c(inside("sys.setrecursionlimit(10**9)\n        f = lambda n: n and f(n - 1)\n        f(5)", "import sys"), 10.0, ""),
    "NumPy raises": c("import numpy as np\nnp.seterr(all='raise')\n" + TANH, 10.0, ""),
    "writes beside itself": c(behind("open('notes.txt', 'w').write('x')"), 10.0, ""),
    "deletes the folder": c(behind("import shutil\nshutil.rmtree('..', ignore_errors=True)"), 10.0, ""),
    "its own BaseException": c("class E(BaseException): pass\n" + inside("raise E('no luck')"), 0.0, "it raises E: no luck (line"),
    "its own BaseException behind": c(behind("class E(BaseException): pass\nraise E"), 10.0, "the file does not run to its end: it raises E"),
    "writes into the results": c(behind("import os\nfor k in range(3, 40):\n    try: os.write(k, b'5\\n')\n    except OSError: pass"), 0.0, "it could not be graded: it writes into the results of its own process", posix=True),
    "no main": c(behind("if __name__ == '__main__':\n    raise SystemExit"), 10.0, ""),
}  # fmt: skip

STUBBORN = c(
    inside(SWALLOW, "import time"),
    0.0,
    "a loop that never ends and catches every error",
    posix=True,
)
