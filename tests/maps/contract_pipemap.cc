// SPDX-License-Identifier: 0BSD
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public ContractTable {
 public:
  Table() {
    damages.push_back({"a member that fails",
                       [this] { name_ = "pipemap:{inline:{user@example.org=bo}, fail:x}"; }});
  }
  std::string name() const override { return name_; }

 private:
  std::string name_ = "pipemap:{inline:{user@example.org=mid}, inline:{mid=box/}}";
};

const RegisterContract registered("pipemap", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
