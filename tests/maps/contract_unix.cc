// SPDX-License-Identifier: 0BSD
#include <pwd.h>

#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

// Every system has this account.
class Table final : public ContractTable {
 public:
  Table() {
    const passwd* root = getpwnam("root");
    known_key = "root";
    known_value = std::string("root:") + root->pw_passwd + ":0:0:" + root->pw_gecos + ":" +
                  root->pw_dir + ":" + root->pw_shell;
  }
  std::string name() const override { return "unix:passwd.byname"; }
};

const RegisterContract registered("unix", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
