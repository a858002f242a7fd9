// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public ContractTable {
 public:
  std::string name() const override {
    return "inline:{ user@example.org=box/, { other = two words } }";
  }
};

const RegisterContract registered("inline", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
