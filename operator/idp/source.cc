#include "operator/idp/source.h"

namespace meshauth::idp {

std::string_view source_fault_name(SourceFault fault) noexcept {
  switch (fault) {
#define X(name)           \
  case SourceFault::name: \
    return #name;
    MESH_AUTH_SOURCE_FAULTS(X)
#undef X
  }
  return "";
}

}  // namespace meshauth::idp
