// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public ContractTable {
 public:
  Table() {
    known_value = "bo,x/";
    damages.push_back({"a member that fails",
                       [this] { name_ = "unionmap:{inline:{user@example.org=bo}, fail:x}"; }});
    damages.push_back({"a member that is missing", [this] {
                         name_ = "unionmap:{inline:{user@example.org=bo}, texthash:/nowhere/x}";
                       }});
  }
  std::string name() const override { return name_; }

 private:
  std::string name_ =
      "unionmap:{inline:{user@example.org=bo}, inline:{none=1}, inline:{user@example.org=x/}}";
};

const RegisterContract registered("unionmap", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
