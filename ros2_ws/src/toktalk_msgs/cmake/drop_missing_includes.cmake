# ROS 2 wheels export include directories of the machine that built them; CMake refuses an imported
# target whose directory does not exist. This drops the missing ones once every package has been found.
# Where ROS 2 comes from a distribution every directory exists, and this does nothing.
function(toktalk_drop_missing_includes)
  get_directory_property(targets IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(kept "")
    foreach(directory IN LISTS directories)
      if(NOT IS_ABSOLUTE "${directory}" OR EXISTS "${directory}")
        list(APPEND kept "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${kept}")
  endforeach()
endfunction()

cmake_language(DEFER CALL toktalk_drop_missing_includes)
