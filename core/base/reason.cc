#include "core/base/reason.h"

namespace meshauth {
namespace {

struct Row {
  std::string_view name;
  int status;
  std::string_view error;
};

constexpr Row kRows[] = {{"", 200, ""},
#define X(name, status, error) {#name, status, error},
                         MESH_AUTH_REASONS(X)
#undef X
};

constexpr std::size_t kCount = sizeof(kRows) / sizeof(kRows[0]);

const Row& row(Reason reason) noexcept {
  const auto index = static_cast<std::size_t>(reason);
  return kRows[index < kCount ? index : static_cast<std::size_t>(Reason::internal)];
}

}  // namespace

std::string_view reason_name(Reason reason) noexcept {
  return row(reason).name;
}
int reason_status(Reason reason) noexcept {
  return row(reason).status;
}
std::string_view reason_error_code(Reason reason) noexcept {
  return row(reason).error;
}

Reason reason_from_name(std::string_view name) noexcept {
  for (std::size_t i = 1; i < kCount; ++i) {
    if (kRows[i].name == name) return static_cast<Reason>(i);
  }
  return Reason::none;
}

}  // namespace meshauth
