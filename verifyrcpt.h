/* SPDX-License-Identifier: 0BSD */
/* verifyrcpt.h - the hook of an SMTP server: does this recipient exist?
 *
 * C11 and C++.  Link with libverifyrcpt.a or -lverifyrcpt; plain cc will do, no C++ runtime is
 * needed.  Manual: verifyrcpt(3).  Tests: tests/verifyrcpt_test.cc, tests/gates/tier0
 *
 * Conventions
 *
 * (1) One struct verifyrcpt is one SMTP session.  The caller owns its memory; nothing is allocated.
 *     It may be on the stack or static, must not be copied, and is opaque.  All zero bytes are a
 *     session in which nothing is verified.
 * (2) Strings go in as pointer and length and need no final NUL; they are copied or used up before
 *     the call returns.  A null pointer is an empty string.
 * (3) Strings come out NUL-terminated in fixed arrays, or in a buffer whose size is given.
 * (4) Nothing here exits, prints, sleeps, starts threads, or touches signals or environment, except
 *     that verifyrcpt_init_env reads it.  Only verifyrcpt_rcpt waits, for an answer, as long as
 *     VERIFY allows (by default 5 s).
 * (5) Descriptors are close-on-exec, never 0, 1 or 2, and closed by verifyrcpt_close.
 * (6) Every status is a named constant.  Valid, not valid and undecided are distinct everywhere:
 *     undecided is never reported as another result, and the client gets a 4xx reply.
 * (7) Reply code 0 means: continue, as if there were no hook.  421 means: reply, then close.
 * (8) Threads: one session belongs to one thread at a time; there is no state outside it.
 */
#ifndef VERIFYRCPT_H_
#define VERIFYRCPT_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define VERIFYRCPT_API __attribute__((visibility("default")))
#else
#define VERIFYRCPT_API
#endif

/* What VERIFY asked for. */
#define VERIFYRCPT_OFF 0           /* nothing is verified */
#define VERIFYRCPT_ON 1            /* recipients are verified */
#define VERIFYRCPT_MISCONFIGURED 2 /* it is malformed: every recipient is answered 421 */

/* The verdict about a recipient; the first three are also those of the protocol. */
#define VERIFYRCPT_VALID 0
#define VERIFYRCPT_NOT_VALID 1
#define VERIFYRCPT_UNDECIDED 2
#define VERIFYRCPT_NOT_ASKED 3 /* off, misconfigured, or too many recipients refused (maxbad) */

/* Sizes of the arrays below, each with its final NUL. */
#define VERIFYRCPT_REPLY_SIZE 512
#define VERIFYRCPT_WHY_SIZE 33
#define VERIFYRCPT_USER_SIZE 33
#define VERIFYRCPT_SERVER_SIZE 128
/* Room for the longest log line. */
#define VERIFYRCPT_LOG_SIZE 2048

typedef struct verifyrcpt {
  uint64_t opaque[512];
} verifyrcpt;

typedef struct verifyrcpt_result {
  int verdict;     /* VERIFYRCPT_VALID to VERIFYRCPT_NOT_ASKED */
  int code;        /* SMTP reply code: 0 (continue), 421, 451, 550 or 554 */
  uint32_t delay;  /* seconds that the caller should wait before it sends the reply */
  uint32_t micros; /* microseconds that it took */
  char reply[VERIFYRCPT_REPLY_SIZE];   /* "550 5.1.1 ...", printable ASCII; "" where code is 0 */
  char why[VERIFYRCPT_WHY_SIZE];       /* one word, qmail-verify-protocol(7); "" where not asked */
  char user[VERIFYRCPT_USER_SIZE];     /* controlling user, any bytes but NUL; "" unknown */
  char server[VERIFYRCPT_SERVER_SIZE]; /* the one that answered; else one that sent a legacy reply,
                                        * or the one asked last; "" where none was asked */
} verifyrcpt_result;

/* Begins a session with the value of VERIFY; null: VERIFY is not set.  `relay_client` other than 0:
 * the client may relay, and nothing is verified whatever the value.  Returns VERIFYRCPT_OFF,
 * VERIFYRCPT_ON or VERIFYRCPT_MISCONFIGURED.  The struct need not be initialised; a session in it
 * must be closed first. */
VERIFYRCPT_API int verifyrcpt_init(verifyrcpt* v, const char* value, size_t length,
                                   int relay_client);

/* The same from the environment: VERIFY, RELAYCLIENT (set, even if empty: may relay) and
 * TCPREMOTEIP (the client).  VERIFYDEFER or VERIFYSVR, which VERIFY replaced in 1.30, make it
 * VERIFYRCPT_MISCONFIGURED with a reason that says what to write instead. */
VERIFYRCPT_API int verifyrcpt_init_env(verifyrcpt* v);

/* One line for the log about the last init, or "": the error in the value, or that VERIFY=""
 * verifies nothing.  Printable ASCII; valid as long as the session. */
VERIFYRCPT_API const char* verifyrcpt_reason(const verifyrcpt* v);

/* Facts about the client, which the server may use and log.  Each call replaces the previous value.
 * helo and mail begin a new transaction, as reset does.  A value that is too long (client 63 bytes,
 * helo 255, sender 511) counts as not given. */
VERIFYRCPT_API void verifyrcpt_client(verifyrcpt* v, const char* ip, size_t length);
VERIFYRCPT_API void verifyrcpt_helo(verifyrcpt* v, const char* name, size_t length);
VERIFYRCPT_API void verifyrcpt_mail(verifyrcpt* v, const char* sender, size_t length);

/* RSET, and every other end of a transaction: forgets the sender and the bad recipients of this
 * transaction.  The count of bad recipients of the session (maxbad) stays. */
VERIFYRCPT_API void verifyrcpt_reset(verifyrcpt* v);

/* Asks about one recipient, the unquoted address between < and >.  Fills `r` and returns r->code:
 *   0    continue: valid; or not verified; or not valid, and DATA will be refused (DEFER); or
 *        undecided, and VERIFY contains tempok
 *   550  not valid
 *   451  undecided, this recipient alone: the session continues
 *   421  VERIFY is malformed, or maxbad recipients have been refused before: reply and close
 */
VERIFYRCPT_API int verifyrcpt_rcpt(verifyrcpt* v, const char* address, size_t length,
                                   verifyrcpt_result* r);

/* For DATA, before 354.  Fills `r` and returns r->code: 0, or 554 where a recipient of this
 * transaction was not valid and VERIFY contains DEFER. */
VERIFYRCPT_API int verifyrcpt_data(verifyrcpt* v, verifyrcpt_result* r);

/* For interactive programs: once every server has refused the question (no process listens there)
 * or sent a reply without an id that VERIFY does not allow, verifyrcpt_rcpt returns at once instead
 * of asking again until the time is up.  Silent servers are waited for as usual.  Holds until the
 * session is closed or begun anew.  Not for SMTP servers: the verifier may be restarting. */
VERIFYRCPT_API void verifyrcpt_fail_fast(verifyrcpt* v);

/* Writes why no server answered the last verifyrcpt_rcpt:
 *   ADDRESS (REASON), ADDRESS (REASON)
 * NUL-terminated, cut to `size` bytes, printable ASCII.  REASON is for people: "connection
 * refused", "no reply", "reply without an id" and others.  Returns the length without the NUL: 0
 * where a server answered or none was asked. */
VERIFYRCPT_API size_t verifyrcpt_unanswered(const verifyrcpt* v, char* out, size_t size);

/* Writes the log line for a result, without line end, NUL-terminated, cut to `size` bytes:
 *   result=WORD why=WORD code=N rcpt=ADDRESS user=USER client=IP server=ADDRESS us=N
 * WORD of result is valid, not-valid, undecided or not-asked.  Values are written as in logfmt:
 * quoted and escaped where needed, printable ASCII; a long address is cut and ends in "...".
 * Returns the length without the NUL. */
VERIFYRCPT_API size_t verifyrcpt_log(const verifyrcpt* v, const verifyrcpt_result* r,
                                     const char* address, size_t length, char* out, size_t size);

/* Closes the sockets.  The session then verifies nothing; closing it again does nothing. */
VERIFYRCPT_API void verifyrcpt_close(verifyrcpt* v);

#ifdef __cplusplus
}
#endif

#endif /* VERIFYRCPT_H_ */
