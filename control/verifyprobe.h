// SPDX-License-Identifier: 0BSD
// control/verifyprobe.h - the domain of a line of control/verifyprobe.
//
// qmail-probe reads all of a line, qmail-verify only the domain.  Both must agree on that.
//
// Threads: none.  Blocking: none.  Manual: verifyprobe(5).  Tests:
// tests/control/verifyprobe_test.cc
#ifndef QV_CONTROL_VERIFYPROBE_H_
#define QV_CONTROL_VERIFYPROBE_H_

#include <string>
#include <string_view>

#include "control/lines.h"

namespace qv::control {

// Letters, digits, '-', '_' and '.', neither '-' nor '.' first, at most 255 bytes.
[[nodiscard]] bool is_host_name(std::string_view s);

// Splits "DOMAIN:NEXTHOPS [OPTIONS]" into the domain, in lower case, with a leading dot where it
// stands for its subdomains, and what follows the colon.  False: `why` is the error.
[[nodiscard]] bool read_probed_domain(const ControlLine& line, std::string& domain,
                                      std::string_view& rest, std::string& why);

}  // namespace qv::control

#endif  // QV_CONTROL_VERIFYPROBE_H_
