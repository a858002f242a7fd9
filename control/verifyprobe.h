// SPDX-License-Identifier: 0BSD
// control/verifyprobe.h - which domain a line of control/verifyprobe is about.
//
// Two programs go by this file: qmail-probe reads all of a line, qmail-verify the domain.  They
// must not differ about it.
//
// Threads: none.  Blocking: none.  Manual: verifyprobe(5).  Tests:
// tests/control/verifyprobe_test.cc
#ifndef QV_CONTROL_VERIFYPROBE_H_
#define QV_CONTROL_VERIFYPROBE_H_

#include <string>
#include <string_view>

#include "control/lines.h"

namespace qv {

// Letters, digits, '-', '_' and '.', neither '-' nor '.' first, at most 255 bytes.
[[nodiscard]] bool is_host_name(std::string_view s);

// Of "DOMAIN:NEXTHOPS [OPTIONS]" the domain, in lower case, with its dot where it stands for the
// domains below it, and what follows the colon.  False: `why` says what is wrong.
[[nodiscard]] bool read_probed_domain(const ControlLine& line, std::string& domain,
                                      std::string_view& rest, std::string& why);

}  // namespace qv

#endif  // QV_CONTROL_VERIFYPROBE_H_
