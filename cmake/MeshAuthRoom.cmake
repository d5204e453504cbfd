# mesh_auth_room(NAME [COLD] [HOT_TESTS] DEPS target... [PCH room [tests]])
#
# One room: the static library NAME from all *.cc of the folder that are neither tests nor a main, and the
# program NAME_test from its *_test.cc, registered with ctest. DEPS are linked publicly. PCH names the precompiled
# headers of the room and of its tests (see MeshAuthPch.cmake): plain without, the room's for both with one. COLD: the
# room takes no part in a request; it is optimized less, which saves a quarter of its compile time. HOT_TESTS: the tests
# compute for long; they are optimized, and take the precompiled headers of rooms.
#
# With MESH_AUTH_UNITY the files of a room are compiled six at a time, which saves a third of the build: each template that
# they share is made once. So what two files of a room hide in unnamed namespaces has two names. The presets debug and fuzz
# compile each file by itself, and so find one that includes too little.
option(MESH_AUTH_UNITY "compile the files of a room together" OFF)

function(mesh_auth_unity target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
  # GCC takes an included file for a header, where a type of an unnamed namespace in a member would be a mistake.
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
endfunction()

function(mesh_auth_room name)
  cmake_parse_arguments(ROOM "COLD;HOT_TESTS" "" "DEPS;PCH" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "(_test|/main)\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT ROOM_PCH)
    set(ROOM_PCH plain)
  endif()
  list(GET ROOM_PCH 0 pch)
  list(GET ROOM_PCH -1 test_pch)

  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC mesh_auth_options ${ROOM_DEPS})
    mesh_auth_use_pch(${name} ${pch})
    # tools/mutants.py takes single files out of such a room.
    if(MESH_AUTH_UNITY AND NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/mutants.py)
      mesh_auth_unity(${name})
    endif()
    if(ROOM_COLD)
      target_compile_options(${name} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
    endif()
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE mesh_auth_options ${ROOM_DEPS})
  endif()

  if(tests)
    add_executable(${name}_test ${tests} $<TARGET_OBJECTS:doctest_main>)
    target_link_libraries(${name}_test PRIVATE ${name})
    if(MESH_AUTH_UNITY)
      mesh_auth_unity(${name}_test)
    endif()
    target_compile_definitions(${name}_test PRIVATE
        MESH_AUTH_TESTDATA="${CMAKE_CURRENT_SOURCE_DIR}/testdata" MESH_AUTH_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    if(ROOM_HOT_TESTS)
      mesh_auth_use_pch(${name}_test ${test_pch})
    else()
      target_link_libraries(${name}_test PRIVATE mesh_auth_test_options)
      mesh_auth_use_pch(${name}_test ${test_pch}_test)
    endif()
    set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES TIMEOUT 600)
  endif()
endfunction()
