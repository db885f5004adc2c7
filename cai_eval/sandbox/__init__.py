"""Runs programs that a model wrote against tests that they never see.

Three processes and this one. The *judge* runs the test. Its calls of the program travel as plain data to the
*program's* process, forked for it alone by the *zygote*, which has read neither. The verdict leaves over a pipe that
only judge and parent hold. So nothing that a program does to its own process can make it pass: it has to give the
right answers.

Covered, with every layer in force (`Sandbox.layers` names those of this machine):

- Passing without an answer: ending the process, catching or raising anything, changing builtins, claiming to be equal
  to all, forging messages, putting modules in the judge's way. Objects that are not plain data have no equality, order
  or truth for the test; a test that catches everything cannot turn an end into a pass.
- Reading the test: neither it nor an expected value is ever in the program's process, its ancestors (as of the fork) or
  a file that it can open. It sees the arguments of its calls, and what functions that the test passes to it return.
- Hanging: wall-clock deadline, and a second one from outside for a judge that does not come back.
- Using up the machine: address space, file size, open files, private temporary folder, length of values. What a
  program prints is discarded.
- Starting threads or processes, opening sockets, sending signals, tracing, mounting: ends the process, "refused".
- Reading or changing files outside the standard library, the system's libraries and the private folder, `/dev/shm` and
  installed packages included; leaving anything behind there for the next program.
- Outliving its trial: the process is killed and reaped; it could start none.

Not covered:

- A flaw in the kernel or in the C library's loader: all of this shares the machine's kernel. Where that is not
  enough, run cai-eval in a virtual machine.
- What a program can learn from processor caches and timing.
- A hostile test: it runs in the judge, within the namespaces but without the filter, and shares the judge with the
  tests after it. Run only tests that you trust.
- Programs that need packages, threads, event loops, standard input, or to share mutable objects with the test beyond
  the contents of a list, dictionary or set that it is given: they end as "failed", "refused" or "unsupported".
- The layers that the kernel refuses: with `landlock` no private folder (programs write nothing) and no process
  namespace, and packages installed beside the interpreter can be read (as with `bwrap`); with `filter` alone, programs
  can read what their uid can read; other kernels than Linux run nothing.
"""

from cai_eval.sandbox.pool import Backend, Sandbox
from cai_eval.sandbox.program import VERDICTS, Layers, Limits, Outcome, Program, Verdict

__all__ = ["VERDICTS", "Backend", "Layers", "Limits", "Outcome", "Program", "Sandbox", "Verdict"]
