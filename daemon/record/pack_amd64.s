#include "textflag.h"

// Where fields stand in decimals.Group.
#define MANTISSA 0
#define SCALE    1024
#define VALUE    2048

// Where seven bits each of a number begin, and which bits of a byte they are.
DATA sevens<>+0(SB)/8, $0x38383838150e0700
GLOBL sevens<>(SB), RODATA|NOPTR, $8

// References and values, in turns: the first four of each, the last four.
DATA turns<>+0(SB)/8, $0
DATA turns<>+8(SB)/8, $8
DATA turns<>+16(SB)/8, $1
DATA turns<>+24(SB)/8, $9
DATA turns<>+32(SB)/8, $2
DATA turns<>+40(SB)/8, $10
DATA turns<>+48(SB)/8, $3
DATA turns<>+56(SB)/8, $11
DATA turns<>+64(SB)/8, $4
DATA turns<>+72(SB)/8, $12
DATA turns<>+80(SB)/8, $5
DATA turns<>+88(SB)/8, $13
DATA turns<>+96(SB)/8, $6
DATA turns<>+104(SB)/8, $14
DATA turns<>+112(SB)/8, $7
DATA turns<>+120(SB)/8, $15
GLOBL turns<>(SB), RODATA|NOPTR, $128

#define EIGHT(x, z) \
	MOVQ x, AX;         \
	VPBROADCASTQ AX, z

// VARINT makes of the number in x, below 2^28, its varint; len becomes its length
// in bits. t is lost.
#define VARINT(x, len, t) \
	VPMULTISHIFTQB x, Z31, x;    \
	VPANDQ         Z30, x, x;    \
	VPORQ          Z25, x, len;  \
	VPLZCNTQ       len, len;     \
	VPANDQ         Z28, len, len; \
	VPSUBQ         len, Z27, len; \
	VPSUBQ         Z26, len, t;  \
	VPSLLVQ        t, Z24, t;    \
	VPANDNQ        Z29, t, t;    \
	VPORQ          t, x, x

// STORE writes one number and goes on to where the next one begins.
#define STORE(i) \
	MOVQ words-128+8*i(SP), AX; \
	MOVQ AX, (DI);              \
	ADDQ words-64+8*i(SP), DI

// func packDecimals(dst []byte, samples []Sample, refs []uint32, d *decimals.Group, from int) (size, n int)
TEXT ·packDecimals(SB), NOSPLIT, $128-104
	MOVQ dst_base+0(FP), DI
	MOVQ samples_base+24(FP), R9
	MOVQ refs_base+48(FP), R8
	MOVQ refs_len+56(FP), CX
	MOVQ d+72(FP), R10
	MOVQ from+80(FP), AX
	LEAQ (R10)(AX*8), R10
	MOVQ $-1, R15
	EIGHT($-1, Z24)
	EIGHT($1, Z25)
	EIGHT($8, Z26)
	EIGHT($64, Z27)
	EIGHT($0xf8, Z28)
	EIGHT($0x80808080, Z29)
	EIGHT($0x7f7f7f7f, Z30)
	EIGHT($2, Z23)
	EIGHT($0x0fffffff, Z22)
	VPBROADCASTQ sevens<>(SB), Z31
	VMOVDQU64 turns<>+0(SB), Z20
	VMOVDQU64 turns<>+64(SB), Z21

eight:
	TESTQ CX, CX
	JLE   done
	BZHIL CX, R15, R14
	KMOVB R14, K5 // those that are asked for

	VPMOVZXDQ.Z (R8), K5, Z0
	VMOVDQU64.Z MANTISSA(R10), K5, Z1
	VMOVDQU64.Z SCALE(R10), K5, Z2
	VMOVDQU64.Z VALUE(R10), K5, Z3

	// The form: 2 with a scale, 0 for one, else 1.
	VPTESTMQ  Z2, Z2, K2
	VPCMPEQQ  Z25, Z1, K3
	KANDNB    K3, K2, K3
	VMOVDQA64 Z25, Z5
	VMOVDQA64 Z23, K2, Z5
	VPXORQ    Z5, Z5, K3, Z5

	VPSLLQ  $2, Z0, Z6
	VPORQ   Z5, Z6, Z6 // reference and form
	VPCMPUQ $6, Z22, Z6, K5, K4 // some take too many bytes
	VPADDQ  Z1, Z1, Z7 // zigzag
	VARINT(Z6, Z8, Z10)
	VARINT(Z7, Z9, Z10)
	VPXORQ  Z7, Z7, K3, Z7
	VPXORQ  Z9, Z9, K3, Z9

	VPSLLVQ Z8, Z2, Z2 // the scale behind the head
	VPADDQ  Z26, Z8, K2, Z8
	VPSLLVQ Z8, Z7, Z7 // the number behind both
	VPADDQ  Z9, Z8, Z8
	VPORQ   Z2, Z6, Z6
	VPORQ   Z7, Z6, Z6
	VPCMPUQ $6, Z27, Z8, K5, K6
	KORTESTB K4, K6
	JNZ     done
	VPSRLQ  $3, Z8, Z8
	VMOVDQU64 Z6, words-128(SP)
	VMOVDQU64 Z8, words-64(SP)

	VMOVDQA64 Z20, Z4
	VMOVDQA64 Z21, Z5
	VPERMI2Q  Z3, Z0, Z4
	VPERMI2Q  Z3, Z0, Z5
	VMOVDQU64 Z4, (R9)
	VMOVDQU64 Z5, 64(R9)

	CMPQ CX, $8
	JLT  last
	STORE(0)
	STORE(1)
	STORE(2)
	STORE(3)
	STORE(4)
	STORE(5)
	STORE(6)
	STORE(7)
	ADDQ $32, R8
	ADDQ $64, R10
	ADDQ $128, R9
	SUBQ $8, CX
	JMP  eight

last:
	XORL R11, R11
one:
	MOVQ words-128(SP)(R11*8), AX
	MOVQ AX, (DI)
	ADDQ words-64(SP)(R11*8), DI
	INCQ R11
	CMPQ R11, CX
	JLT  one
	XORL CX, CX

done:
	MOVQ refs_len+56(FP), AX
	SUBQ CX, AX
	MOVQ AX, n+96(FP)
	SUBQ dst_base+0(FP), DI
	MOVQ DI, size+88(FP)
	VZEROUPPER
	RET
