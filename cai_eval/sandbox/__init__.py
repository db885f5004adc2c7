"""Runs programs that a model wrote against tests that they never see.

Three processes and this one. The *judge* runs the test. Its calls of the program travel as plain data to the
*program's* process, forked for it alone by the *zygote*, which has read neither. The verdict leaves over a pipe that
only judge and parent hold. So nothing that a program does to its own process can make it pass: it has to give the
right answers.
"""

from cai_eval.sandbox.pool import Backend, Sandbox
from cai_eval.sandbox.program import VERDICTS, Layers, Limits, Outcome, Program, Verdict

__all__ = ["VERDICTS", "Backend", "Layers", "Limits", "Outcome", "Program", "Sandbox", "Verdict"]
