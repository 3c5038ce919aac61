#include "textflag.h"

// Where fields stand: scan.Line, group, wideKeys.
#define LINE_START 0
#define LINE_COLON 4
#define LINE_BAR   8
#define LINE_END   12
#define LINE_SIZE  16
#define GROUP_HASHES  0
#define GROUP_ENTRIES 1024
#define KEY_NAME   0
#define KEY_SUFFIX 64
#define KEY_LAST   128

#define PLACE_BITS 40
#define ARENA_BITS 16 // of a place: 256 KiB are 2^16 times four bytes

// LOADKEYS has the keys of hashing in Z28 to Z30.
#define LOADKEYS(keys) \
	VMOVDQU64 KEY_NAME(keys), Z28;   \
	VMOVDQU64 KEY_SUFFIX(keys), Z29; \
	VMOVDQU64 KEY_LAST(keys), X30

// HASH makes a hash of the name in Z0 and the suffix in Z1. Each has a key of its
// own and two rounds of AES, after which each byte is in each of its sixteen; only
// then are the parts put together. Zeros at the end hash like none: no line that
// is understood has any.
#define HASH(to) \
	VPXORQ        Z28, Z0, Z0;     \
	VPXORQ        Z29, Z1, Z1;     \
	VAESENC       Z29, Z0, Z0;     \
	VAESENC       Z28, Z1, Z1;     \
	VAESENC       Z28, Z0, Z0;     \
	VAESENC       Z29, Z1, Z1;     \
	VPXORQ        Z1, Z0, Z0;      \
	VEXTRACTI64X4 $1, Z0, Y2;      \
	VPXORQ        Y2, Y0, Y0;      \
	VEXTRACTI32X4 $1, Y0, X2;      \
	VPXORQ        X2, X0, X0;      \
	VAESENC       X30, X0, X0;     \
	VMOVQ         X0, to

// MASK has k select the first n bytes, of 64 at most. R15 is all ones.
#define MASK(n, k) \
	BZHIQ n, R15, R14; \
	KMOVQ R14, k

// func hashBytes(keys *wideKeys, name, suffix []byte) uint64
TEXT ·hashBytes(SB), NOSPLIT, $0-64
	MOVQ keys+0(FP), DI
	MOVQ name_base+8(FP), SI
	MOVQ name_len+16(FP), AX
	MOVQ suffix_base+32(FP), R8
	MOVQ suffix_len+40(FP), BX
	MOVQ $-1, R15
	LOADKEYS(DI)
	MASK(AX, K1)
	MASK(BX, K2)
	VMOVDQU8.Z (SI), K1, Z0
	VMOVDQU8.Z (R8), K2, Z1
	HASH(AX)
	MOVQ AX, ret+56(FP)
	VZEROUPPER
	RET

// func hashLines(keys *wideKeys, buf []byte, lines []scan.Line, slots [][8]uint64, hashes *[128]uint64)
TEXT ·hashLines(SB), NOSPLIT, $0-88
	MOVQ keys+0(FP), DI
	MOVQ buf_base+8(FP), SI
	MOVQ lines_base+32(FP), R8
	MOVQ lines_len+40(FP), CX
	MOVQ slots_base+56(FP), R9
	MOVQ slots_len+64(FP), R10
	MOVQ hashes+80(FP), R11
	DECQ R10
	MOVQ $-1, R15
	LOADKEYS(DI)

hashLine:
	MOVL LINE_START(R8), AX
	MOVL LINE_COLON(R8), BX
	MOVL LINE_BAR(R8), DX
	MOVL LINE_END(R8), R12
	SUBL AX, BX // length of the name
	SUBL DX, R12 // and of the suffix
	MOVL BX, R13
	ORL  R12, R13
	CMPL R13, $63
	JHI  hashLong
	MASK(BX, K1)
	MASK(R12, K2)
	VMOVDQU8.Z (SI)(AX*1), K1, Z0
	VMOVDQU8.Z (SI)(DX*1), K2, Z1
	HASH(AX)
	MOVQ AX, (R11)
	ANDQ R10, AX
	SHLQ $6, AX
	PREFETCHT0 (R9)(AX*1)

hashNext:
	ADDQ $LINE_SIZE, R8
	ADDQ $8, R11
	DECQ CX
	JNZ  hashLine
	VZEROUPPER
	RET

hashLong:
	MOVQ $0, (R11)
	JMP  hashNext

// func locateLines(slots [][8]uint64, arenas [][]byte, scratch *group, n int)
TEXT ·locateLines(SB), NOSPLIT, $0-64
	MOVQ slots_base+0(FP), R9
	MOVQ slots_len+8(FP), R10
	MOVQ arenas_base+24(FP), R8
	MOVQ scratch+48(FP), R11
	MOVQ n+56(FP), CX
	DECQ R10
	MOVQ $(1<<PLACE_BITS-1), R15
	MOVQ $(1<<23), R14

locateLine:
	MOVQ GROUP_HASHES(R11), AX
	MOVQ AX, BX
	ANDQ R10, BX
	SHLQ $6, BX
	ADDQ R9, BX
	SHRQ $PLACE_BITS, AX
	ORQ  R14, AX
	VPBROADCASTQ AX, Z1
	VPSRLQ   $PLACE_BITS, (BX), Z0
	VPCMPEQQ Z1, Z0, K1
	KMOVB    K1, DX
	XORL     AX, AX
	TZCNTL   DX, R12
	TESTL    DX, DX
	JZ       located
	MOVQ     (BX)(R12*8), AX
	ANDQ     R15, AX // the place
	MOVQ     AX, DX
	SHRQ     $ARENA_BITS, DX
	ANDL     $(1<<ARENA_BITS-1), AX
	LEAQ     (DX)(DX*2), DX
	SHLQ     $2, AX
	ADDQ     (R8)(DX*8), AX
	PREFETCHT0 -8(AX) // the reference stands before the head
	PREFETCHT0 56(AX)

located:
	MOVQ AX, GROUP_ENTRIES(R11)
	ADDQ $8, R11
	DECQ CX
	JNZ  locateLine
	VZEROUPPER
	RET

// func compareLines(buf []byte, lines []scan.Line, scratch *group, found []Alias, ref int)
TEXT ·compareLines(SB), NOSPLIT, $0-88
	MOVQ buf_base+0(FP), SI
	MOVQ lines_base+24(FP), R8
	MOVQ lines_len+32(FP), CX
	MOVQ scratch+48(FP), R11
	MOVQ found_base+56(FP), DI
	MOVQ $-1, R15

compareLine:
	MOVQ  GROUP_ENTRIES(R11), R9
	XORL  R10, R10
	TESTQ R9, R9
	JZ    compared
	MOVL  LINE_START(R8), AX
	MOVL  LINE_COLON(R8), BX
	MOVL  LINE_BAR(R8), DX
	MOVL  LINE_END(R8), R12
	SUBL  AX, BX
	SUBL  DX, R12
	MOVL  BX, R13
	ORL   R12, R13
	CMPL  R13, $63
	JHI   compared
	MOVL  R12, R13
	SHLL  $12, R13
	ORL   BX, R13
	MOVL  (R9), R14 // lengths and type
	ANDL  $0xffffff, R14
	CMPL  R13, R14
	JNE   compared
	MASK(BX, K1)
	MASK(R12, K2)
	VMOVDQU8.Z (SI)(AX*1), K1, Z0
	VMOVDQU8.Z (SI)(DX*1), K2, Z1
	ADDQ  R9, BX
	VPCMPUB $4, 4(R9), Z0, K1, K3
	VPCMPUB $4, 4(BX), Z1, K2, K4
	KORTESTQ K3, K4
	JNZ   compared
	MOVL  (R9), R10
	SHRL  $24, R10
	SHLQ  $32, R10
	MOVQ  ref+80(FP), AX
	MOVL  (R9)(AX*1), AX
	ORQ   AX, R10

compared:
	MOVQ R10, (DI)
	ADDQ $8, DI
	ADDQ $8, R11
	ADDQ $LINE_SIZE, R8
	DECQ CX
	JNZ  compareLine
	VZEROUPPER
	RET
