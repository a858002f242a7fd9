// SPDX-License-Identifier: 0BSD
#include "tests/maps/cdb_maker.h"
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("vpopmail", "", "vpasswd.cdb") {
    known_key = "user";
    absent_key = "nobody";
    known_value = "/home/vpopmail/domains/example.org/user";
    const std::string record = "crypt:1:0:User:" + known_value + ":NOQUOTA:clear";
    make_cdb(scratch.path("vpasswd.cdb"), {{"user", record}});
    damages.push_back({"a record cut short", [this] {
                         make_cdb(scratch.path("vpasswd.cdb"), {{"user", "crypt:1:0"}});
                       }});
    for (const off_t size : {0, 2047, 2080}) add_truncation(size);
    add_truncation(0, true);
    add_flip(2057, 0);
  }
};

const RegisterContract registered("vpopmail", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
