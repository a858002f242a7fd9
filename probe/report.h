// SPDX-License-Identifier: 0BSD
// probe/report.h - what the parts of this room have to say to the log, without knowing the log.
#ifndef QV_PROBE_REPORT_H_
#define QV_PROBE_REPORT_H_

#include <functional>
#include <initializer_list>
#include <string_view>

namespace qv {

struct ReportField {
  std::string_view key;
  std::string_view value;  // any bytes; empty: the field is left out
};

// A word and its fields: `probe address=a@x status=ok`.
using Report = std::function<void(std::string_view word, std::initializer_list<ReportField>)>;

}  // namespace qv

#endif  // QV_PROBE_REPORT_H_
