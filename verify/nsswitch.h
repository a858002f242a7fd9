// SPDX-License-Identifier: 0BSD
// verify/nsswitch.h - who has to be asked whether a login name exists.
//
// getpwnam(3) may ask a directory server; /etc/passwd can be remembered whole.  nsswitch.conf(5)
// says which of the two gives the answer.  Pure.  Tests: tests/verify/nsswitch_test.cc
#ifndef QV_VERIFY_NSSWITCH_H_
#define QV_VERIFY_NSSWITCH_H_

#include <cstdint>
#include <string_view>

namespace qv {

enum class PasswdSource : std::uint8_t {
  files_only,    // /etc/passwd is all there is
  files_first,   // a name in /etc/passwd is found there; any other has to be asked for
  name_service,  // every name has to be asked for
};

// From the text of nsswitch.conf; empty text, or none about passwd, is glibc's default: files.
// `systemd` is passed over unless `userdb` says that it serves more than the names of services
// (systemd-homed is running, or user records are installed: nss-systemd(8)).
[[nodiscard]] PasswdSource passwd_source(std::string_view nsswitch, bool userdb);

}  // namespace qv

#endif  // QV_VERIFY_NSSWITCH_H_
