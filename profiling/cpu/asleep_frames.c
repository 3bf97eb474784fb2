/* SPDX-License-Identifier: MIT
 *
 * asleep_frames.c - a frame between our code and each function of the C library in which asleep.c
 * finds threads. Some of those functions leave the frame pointer in its register, which cannot be
 * read from outside; this frame saves it in memory, so that the callers can be found.
 *
 * The Makefile reads the names and redirects the server's calls here (--wrap); libraries call libc
 * directly.
 *
 * Thread: any, signal.
 */
#include "profiling/walk/arch.h"

ARCH_SAVE_FP(nanosleep);
ARCH_SAVE_FP(clock_nanosleep);
ARCH_SAVE_FP(usleep);
ARCH_SAVE_FP(sleep);
ARCH_SAVE_FP(poll);
ARCH_SAVE_FP(ppoll);
ARCH_SAVE_FP(__poll_chk);
ARCH_SAVE_FP(__ppoll_chk);
ARCH_SAVE_FP(select);
ARCH_SAVE_FP(pselect);
ARCH_SAVE_FP(epoll_wait);
ARCH_SAVE_FP(epoll_pwait);
ARCH_SAVE_FP(pause);
ARCH_SAVE_FP(sigsuspend);
ARCH_SAVE_FP(sigtimedwait);
ARCH_SAVE_FP(sigwaitinfo);
ARCH_SAVE_FP(semop);
ARCH_SAVE_FP(semtimedop);
ARCH_SAVE_FP(msgrcv);
ARCH_SAVE_FP(msgsnd);
ARCH_SAVE_FP(recv);
ARCH_SAVE_FP(recvfrom);
ARCH_SAVE_FP(recvmsg);
ARCH_SAVE_FP(recvmmsg);
ARCH_SAVE_FP(__recv_chk);
ARCH_SAVE_FP(__recvfrom_chk);
ARCH_SAVE_FP(send);
ARCH_SAVE_FP(sendto);
ARCH_SAVE_FP(sendmsg);
ARCH_SAVE_FP(accept);
ARCH_SAVE_FP(accept4);
ARCH_SAVE_FP(connect);
ARCH_SAVE_FP(sem_timedwait);
ARCH_SAVE_FP(sem_clockwait);
