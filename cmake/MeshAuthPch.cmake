# Precompiled headers, each made once and shared by the rooms that take it (PCH of mesh_auth_room):
#
#   plain  the standard library, fmt, expected
#   core   plain and simdjson
#   json   core and nlohmann, with core/base/json_code.h
#   net    plain, Asio and Beast (made in operator/asio)
#
# What one holds, each file that takes it pays for, used or not: the header's inline functions ask for templates, which GCC
# instantiates anew in every file (nlohmann 0.6 s, simdjson 0.3 s; CLI11 would be 3 s). So a room takes the smallest one
# that most of its files need. tools/check_rooms.py holds a room to what its precompiled header includes, too.

# mesh_auth_pch(NAME [LIBRARIES target...] HEADERS header...): pch_NAME, and pch_NAME_test for tests. Made only if used.
function(mesh_auth_pch name)
  cmake_parse_arguments(PCH "" "" "LIBRARIES;HEADERS" ${ARGN})
  foreach(pch pch_${name} pch_${name}_test)
    add_library(${pch} OBJECT EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/cmake/pch.cc)
    target_link_libraries(${pch} PRIVATE mesh_auth_options fmt::fmt simdjson::simdjson ${PCH_LIBRARIES})
    target_precompile_headers(${pch} PRIVATE ${PCH_HEADERS})
  endforeach()
  target_link_libraries(pch_${name}_test PRIVATE mesh_auth_test_options)
  target_precompile_headers(pch_${name}_test PRIVATE <doctest/doctest.h>)
endfunction()

# mesh_auth_use_pch(TARGET NAME): all files of TARGET begin with pch_NAME. GCC takes it only if TARGET is compiled with the
# same options and at least the same macros; CMake's -Winvalid-pch makes it an error if it does not.
function(mesh_auth_use_pch target name)
  target_precompile_headers(${target} REUSE_FROM pch_${name})
  get_target_property(type ${target} TYPE)
  if(type STREQUAL EXECUTABLE)
    # As it was made; an executable would have -fPIE.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
endfunction()

# Optimizing the tests took a fifth of the build and made no test faster. Under the sanitizers it does.
add_library(mesh_auth_test_options INTERFACE)
if(NOT MESH_AUTH_ASAN AND NOT MESH_AUTH_TSAN)
  target_compile_options(mesh_auth_test_options INTERFACE -O0)
endif()

set(plain <algorithm> <array> <atomic> <charconv> <chrono> <condition_variable> <filesystem> <fstream> <functional> <map>
    <memory> <mutex> <optional> <set> <sstream> <stop_token> <string> <string_view> <thread> <unordered_map> <utility>
    <variant> <vector> <fmt/format.h> <tl/expected.hpp>)
mesh_auth_pch(plain HEADERS ${plain})
mesh_auth_pch(core HEADERS ${plain} <simdjson.h>)
mesh_auth_pch(json HEADERS ${plain} <simdjson.h> <nlohmann/json.hpp> ${PROJECT_SOURCE_DIR}/core/base/json_code.h)
