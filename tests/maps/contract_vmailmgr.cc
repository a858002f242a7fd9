// SPDX-License-Identifier: 0BSD
#include "tests/maps/cdb_maker.h"
#include "tests/maps/contract.h"

namespace qv::maps {
namespace {

class Table final : public FileContract {
 public:
  Table() : FileContract("vmailmgr", "t.cdb", "t.cdb") {
    known_key = "user";
    absent_key = "nobody";
    known_value = "./users/user";
    using namespace std::string_literals;
    const std::string record =
        "\x02\x08\x01\x0a\x01\0crypt\0./users/user\0\0\0-\0-\0-\0-\0"
        "1\0-\0"s;
    make_cdb(scratch.path("t.cdb"), {{"user", record}});
    damages.push_back({"a record cut short", [this, record] {
                         make_cdb(scratch.path("t.cdb"), {{"user", record.substr(0, 20)}});
                       }});
    for (const off_t size : {0, 2047, 2080}) add_truncation(size);
    add_truncation(0, true);
    add_flip(2057, 0);
  }
};

const RegisterContract registered("vmailmgr", [] { return std::make_unique<Table>(); });

}  // namespace
}  // namespace qv::maps
