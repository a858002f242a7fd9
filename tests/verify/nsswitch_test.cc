// SPDX-License-Identifier: 0BSD
#include <gtest/gtest.h>

#include "verify/accounts.h"

namespace qv::verify {
namespace {

struct Row {
  const char* text;
  bool userdb;
  PasswdSource want;
};

class Nsswitch : public testing::TestWithParam<Row> {};

TEST_P(Nsswitch, SaysWhoIsAsked) {
  EXPECT_EQ(passwd_source(GetParam().text, GetParam().userdb), GetParam().want) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Rows, Nsswitch,
    testing::Values(Row{"", false, PasswdSource::files_only},
                    Row{"group: ldap\n", false, PasswdSource::files_only},
                    Row{"passwd:\n", false, PasswdSource::files_only},
                    Row{"passwd: files\n", false, PasswdSource::files_only},
                    Row{"  passwd :\tfiles  # comment ldap", false, PasswdSource::files_only},
                    Row{"#passwd: ldap\npasswd: files", false, PasswdSource::files_only},
                    Row{"passwd: files systemd", false, PasswdSource::files_only},
                    Row{"passwd: files systemd", true, PasswdSource::files_first},
                    Row{"passwd: files ldap", false, PasswdSource::files_first},
                    Row{"passwd: files [NOTFOUND=return] ldap", false, PasswdSource::files_first},
                    Row{"passwd: files [ SUCCESS=continue ]ldap", false, PasswdSource::files_first},
                    Row{"passwd: sss files", false, PasswdSource::name_service},
                    Row{"passwd: systemd files", false, PasswdSource::files_only},
                    Row{"passwd: systemd files", true, PasswdSource::name_service},
                    Row{"passwd: compat", false, PasswdSource::name_service},
                    Row{"passwd: ldap", false, PasswdSource::name_service},
                    Row{"passwd_compat: nis\npasswd: files", false, PasswdSource::files_only},
                    Row{"passwd: files\npasswd: ldap\n", false, PasswdSource::name_service}));

}  // namespace
}  // namespace qv::verify
