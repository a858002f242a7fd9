// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public ContractTable {
 public:
  Table() { fails_all = true; }
  std::string name() const override { return "fail:on purpose"; }
};

const RegisterContract registered("fail", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
