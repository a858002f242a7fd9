// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public ContractTable {
 public:
  Table() { finds_all = true; }
  std::string name() const override { return "static:box/"; }
};

const RegisterContract registered("static", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
