// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public ContractTable {
 public:
  Table() {
    setenv("user@example.org", "box/", 1);
    unsetenv("nobody@example.net");
  }
  ~Table() override { unsetenv("user@example.org"); }
  std::string name() const override { return "environ:"; }
};

const RegisterContract registered("environ", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
