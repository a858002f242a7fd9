// SPDX-License-Identifier: 0BSD
// core/exit_code.h - how our programs end, as qmail's do (qmail-command(8)).
#ifndef QV_CORE_EXIT_CODE_H_
#define QV_CORE_EXIT_CODE_H_

namespace qv {

inline constexpr int kExitOk = 0;
inline constexpr int kExitPermanent = 100;  // no, and asking again will not help
inline constexpr int kExitTemporary = 111;  // undecided, or not possible now

}  // namespace qv

#endif  // QV_CORE_EXIT_CODE_H_
