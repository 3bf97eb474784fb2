/* SPDX-License-Identifier: MIT
 *
 * task_self.c - the one variable of a thread.
 */
#include "core/task/task_self.h"

_Thread_local struct task_self task_self;
