/* SPDX-License-Identifier: 0BSD */
/* hooks/hook.h - what the hooks in C share, on top of verifyrcpt.h. */
#ifndef QV_HOOKS_HOOK_H_
#define QV_HOOKS_HOOK_H_

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "verifyrcpt.h"

/* Logs a result by `log_line`, unless the recipient is valid or was not asked about. */
static inline void hook_log_result(const verifyrcpt* v, const verifyrcpt_result* r,
                                   const char* address, size_t length,
                                   void (*log_line)(const char* text)) {
  char line[VERIFYRCPT_LOG_SIZE];
  if (r->code == 0 && (r->verdict == VERIFYRCPT_VALID || r->verdict == VERIFYRCPT_NOT_ASKED))
    return;
  (void)verifyrcpt_log(v, r, address, length, line, sizeof line);
  log_line(line);
}

/* Writes a line to standard error with one write: other processes and threads use the same pipe. */
static inline void hook_write_line(const char* prefix, const char* text) {
  char line[VERIFYRCPT_LOG_SIZE + 64];
  const int length = snprintf(line, sizeof line, "%s: %s\n", prefix, text);
  if (length <= 0) return;
  const size_t size = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
  if (write(2, line, size) < 0) return; /* nothing else can report it */
}

static inline void hook_sleep(unsigned seconds) {
  struct timespec left = {.tv_sec = (time_t)seconds, .tv_nsec = 0};
  while (nanosleep(&left, &left) != 0) continue; /* interrupted: the rest */
}

#endif
