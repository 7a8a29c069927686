# `cmake --install`: the program, its man pages, the unit and the configuration. Packagers use DESTDIR and the usual
# CMAKE_INSTALL_* folders; the prefix may still be changed with `cmake --install --prefix`.

install(FILES docs/posthouse.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES docs/posthouse.toml.5 DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES docs/posthouse-api.7 docs/posthouse-metrics.7 DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
install(FILES README.md LICENSE conf/posthouse.toml DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY conf/examples DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES conf/posthouse.sysusers DESTINATION lib/sysusers.d RENAME posthouse.conf)
install(FILES conf/posthouse.tmpfiles DESTINATION lib/tmpfiles.d RENAME posthouse.conf)

# The rest depends on the prefix that holds when it is installed.
install(CODE "
set(posthouse_source [[${CMAKE_SOURCE_DIR}]])
set(posthouse_sbindir [[${CMAKE_INSTALL_SBINDIR}]])
set(posthouse_sysconfdir [[${CMAKE_INSTALL_SYSCONFDIR}]])
")
install(SCRIPT cmake/install_service.cmake)
