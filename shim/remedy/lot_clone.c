#include "safeclose.h"

#include "ground/sys.h"
#include "remedy/lot_clone.h"

#ifdef __i386__
#include <asm/ldt.h>
#endif

/*
 * clone(2) with a stack of its own for the child, which must not return into the caller's frame:
 * hence the assembly. The function and its argument wait for it on its stack.
 */
long lot_clone_raw(unsigned long flags, void *stack, void *tls, _Atomic int *tid);

#if defined(__x86_64__)
__asm__(".pushsection .text\n"
        ".hidden lot_clone_raw\n"
        ".globl lot_clone_raw\n"
        ".type lot_clone_raw, @function\n"
        "lot_clone_raw:\n" /* (flags, stack, tls, tid): the kernel wants (flags, stack, ptid, ctid,
                              tls) */
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    mov %rdx, %r8\n"
        "    mov %rcx, %rdx\n"
        "    mov %rcx, %r10\n"
        "    mov $56, %eax\n" /* SYS_clone */
        "    syscall\n"
        "    test %rax, %rax\n"
        "    jz 1f\n"
        "    ret\n"
        "1:  .cfi_undefined rip\n"
        "    xor %ebp, %ebp\n"
        "    pop %rdi\n"
        "    pop %rax\n"
        "    call *%rax\n"
        "2:  mov $60, %eax\n" /* SYS_exit, until it is not refused */
        "    xor %edi, %edi\n"
        "    syscall\n"
        "    jmp 2b\n"
        "    .cfi_endproc\n"
        ".size lot_clone_raw, . - lot_clone_raw\n"
        ".popsection\n");
#elif defined(__i386__)
__asm__(".pushsection .text\n"
        ".hidden lot_clone_raw\n"
        ".globl lot_clone_raw\n"
        ".type lot_clone_raw, @function\n"
        "lot_clone_raw:\n" /* (flags, stack, tls, tid): the kernel wants (flags, stack, ptid, tls,
                              ctid), and the TLS as a descriptor of its segment */
        "    .cfi_startproc\n"
        "    push %ebx\n"
        "    .cfi_adjust_cfa_offset 4\n"
        "    .cfi_rel_offset ebx, 0\n"
        "    push %esi\n"
        "    .cfi_adjust_cfa_offset 4\n"
        "    .cfi_rel_offset esi, 0\n"
        "    push %edi\n"
        "    .cfi_adjust_cfa_offset 4\n"
        "    .cfi_rel_offset edi, 0\n"
        "    mov 16(%esp), %ebx\n"
        "    mov 20(%esp), %ecx\n"
        "    mov 24(%esp), %esi\n"
        "    mov 28(%esp), %edx\n"
        "    mov %edx, %edi\n"
        "    mov $120, %eax\n" /* SYS_clone */
        "    int $0x80\n"
        "    test %eax, %eax\n"
        "    jz 1f\n"
        "    pop %edi\n"
        "    .cfi_adjust_cfa_offset -4\n"
        "    .cfi_restore edi\n"
        "    pop %esi\n"
        "    .cfi_adjust_cfa_offset -4\n"
        "    .cfi_restore esi\n"
        "    pop %ebx\n"
        "    .cfi_adjust_cfa_offset -4\n"
        "    .cfi_restore ebx\n"
        "    ret\n"
        "1:  .cfi_undefined eip\n"
        "    xor %ebp, %ebp\n"
        "    pop %eax\n"
        "    pop %ecx\n"
        "    sub $12, %esp\n" /* a stack is aligned to 16 bytes where a call's arguments begin */
        "    push %eax\n"
        "    call *%ecx\n"
        "2:  mov $1, %eax\n" /* SYS_exit, until it is not refused */
        "    xor %ebx, %ebx\n"
        "    int $0x80\n"
        "    jmp 2b\n"
        "    .cfi_endproc\n"
        ".size lot_clone_raw, . - lot_clone_raw\n"
        ".popsection\n");
#elif defined(__aarch64__)
__asm__(".pushsection .text\n"
        ".hidden lot_clone_raw\n"
        ".globl lot_clone_raw\n"
        ".type lot_clone_raw, %function\n"
        "lot_clone_raw:\n" /* (flags, stack, tls, tid): the kernel wants (flags, stack, ptid, tls,
                              ctid) */
        "    .cfi_startproc\n"
        "    hint 34\n" /* bti c */
        "    mov x4, x3\n"
        "    mov x9, x2\n"
        "    mov x2, x3\n"
        "    mov x3, x9\n"
        "    mov x8, #220\n" /* SYS_clone */
        "    svc #0\n"
        "    cbz x0, 1f\n"
        "    ret\n"
        "1:  .cfi_undefined x30\n"
        "    mov x29, xzr\n"
        "    ldp x0, x1, [sp], #16\n"
        "    blr x1\n"
        "2:  mov x8, #93\n" /* SYS_exit, until it is not refused */
        "    mov x0, xzr\n"
        "    svc #0\n"
        "    b 2b\n"
        "    .cfi_endproc\n"
        ".size lot_clone_raw, . - lot_clone_raw\n"
        ".popsection\n");
#endif

long lot_clone(unsigned long flags, void *stack, void *tls, _Atomic int *tid, void (*body)(void *),
               void *argument)
{
    void **top = (void **)stack - 2;

    top[0] = argument;
    top[1] = (void *)body;
#ifdef __i386__
    /* The thread's segment has the number that the caller's has: each thread has segments of its own. */
    unsigned selector;
    __asm__("mov %%gs, %0" : "=r"(selector));
    struct user_desc segment = {.entry_number = (selector & 0xffff) >> 3,
                                .base_addr = (unsigned)(uintptr_t)tls,
                                .limit = 0xfffff,
                                .seg_32bit = 1,
                                .limit_in_pages = 1,
                                .useable = 1};
    tls = &segment;
#endif
    return lot_clone_raw(flags, top, tls, tid);
}
