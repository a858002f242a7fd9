// SPDX-License-Identifier: 0BSD
// tests/probe/replay.h - scenarios for the cache and the probes, after the idea of Unbound's.
//
// A scenario is a text file, tests/replay/NAME.scn.  One statement a line; `#` begins a comment.
// It plays on a clock of its own (which begins at 2000000000 s since 1970) and against next hops of
// its own; nothing waits and nothing leaves the process.  DURATION is a number with s, m, h or d.
//
//   set NAME VALUE               before the first query: positive_expire, positive_refresh,
//                                negative_expire, negative_refresh, defer_hold, probe_lost,
//                                accept_all_time (DURATION), negative_cache (yes, no), accept_all
//                                (ok, defer), domain_check (yes, no), pending, rate (number)
//   route LINE                   a line of control/verifyprobe
//   hop HOST:PORT up|down|hang   whether it takes connections (it does not exist before)
//   hop HOST:PORT says REPLY to BEGINNING
//                                its reply to commands that begin so; REPLY "silence", "close"
//   hop HOST:PORT forgets        all of its replies
//   query ADDRESS [wait=DURATION]
//   expect STATUS [why=WHY] [text=REST OF LINE]
//                                about the answer to the last query; STATUS ok, defer, bounce,
//                                todo, or `nothing yet`
//   update ADDRESS STATUS TEXT
//   time_passes DURATION
//   said HOST:PORT NUMBER BEGINNING
//                                so many commands that begin so since the last `said` of this hop
//   record KEY BYTES             puts it into the store as it is
//   expect_record KEY BYTES      what is in the store; BYTES `absent`; @+N in it is a moment N
//                                seconds after the beginning
//   expect_entries NUMBER
//   store fails|works
//   restart                      a new process with the old store
//   cleanup
#ifndef QV_TESTS_PROBE_REPLAY_H_
#define QV_TESTS_PROBE_REPLAY_H_

#include <string>
#include <vector>

namespace qv::probe {

// Plays one; the result is empty, or says in which line what was otherwise.
[[nodiscard]] std::string play_scenario(const std::string& path);

// The .scn files of a directory, sorted.
[[nodiscard]] std::vector<std::string> list_scenarios(const std::string& directory);

}  // namespace qv::probe

#endif  // QV_TESTS_PROBE_REPLAY_H_
