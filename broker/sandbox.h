/* The system calls that a worker may make once it serves: its own sockets, reading files, memory, threads, time, and
 * little more. It starts no program, writes no file, and signals nobody but itself; so whoever takes one over through a
 * fault has little to work with. Linux: seccomp(2), by libseccomp. Nothing that was forbidden can be allowed again.
 *
 * What is known to be of use to an intruder only (running programs, debugging others, mounting, loading code into the
 * kernel) ends the process (SIGSYS). Anything else that is not in the list fails with EPERM and is told to the kernel's
 * log: a library of tomorrow may try a call that it can do without. Builds with sanitizers may in addition do what
 * those need, and end at any call that is not in the list: so the tests find what is missing in it. */
#ifndef LEDIG_SANDBOX_H
#define LEDIG_SANDBOX_H

/* For all threads of the process, for good. LEDIG_EUNSUPPORTED where the kernel cannot, LEDIG_EIO otherwise. */
int sandbox_enter(void);

#endif
