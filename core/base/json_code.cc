#define MESH_AUTH_JSON_CODE
#include "core/base/json_code.h"
