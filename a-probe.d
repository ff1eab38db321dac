probe.o: shim/tcp/probe.c shim/safeclose.h shim/ground/libc.h \
 shim/ground/sys.h shim/ground/newer.h shim/ground/arch/x86_64.h \
 shim/tcp/probe.h shim/tcp/verdict.h shim/tcp/causes.def
shim/safeclose.h:
shim/ground/libc.h:
shim/ground/sys.h:
shim/ground/newer.h:
shim/ground/arch/x86_64.h:
shim/tcp/probe.h:
shim/tcp/verdict.h:
shim/tcp/causes.def:
