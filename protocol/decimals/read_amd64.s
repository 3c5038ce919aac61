#include "textflag.h"

// Where fields stand in Group.
#define MANTISSA 0
#define SCALE    1024
#define VALUE    2048
#define OK       3072

// The dwords of 16 that are Bar, and Colon, in eight scan.Lines.
DATA bars<>+0(SB)/8, $0x0000000600000002
DATA bars<>+8(SB)/8, $0x0000000e0000000a
DATA bars<>+16(SB)/8, $0x0000001600000012
DATA bars<>+24(SB)/8, $0x0000001e0000001a
GLOBL bars<>(SB), RODATA|NOPTR, $32

DATA powers<>+0(SB)/8, $0x3ff0000000000000
DATA powers<>+8(SB)/8, $0x4024000000000000
DATA powers<>+16(SB)/8, $0x4059000000000000
DATA powers<>+24(SB)/8, $0x408f400000000000
DATA powers<>+32(SB)/8, $0x40c3880000000000
DATA powers<>+40(SB)/8, $0x40f86a0000000000
DATA powers<>+48(SB)/8, $0x412e848000000000
DATA powers<>+56(SB)/8, $0x416312d000000000
GLOBL powers<>(SB), RODATA|NOPTR, $64

#define EIGHT(x, z) \
	MOVQ x, AX;         \
	VPBROADCASTQ AX, z

// func readDecimals(d *Group, buf []byte, lines *[128]scan.Line, n int)
//
// In each of eight lanes: the characters stand in the upper bytes, the last one
// uppermost; what was before them becomes zeros.
TEXT ·readDecimals(SB), NOSPLIT, $0-48
	MOVQ d+0(FP), DI
	MOVQ buf_base+8(FP), SI
	MOVQ lines+32(FP), R8
	MOVQ n+40(FP), CX
	LEAQ OK(DI), R10
	MOVQ $-1, R15
	EIGHT($0x3030303030303030, Z20)
	EIGHT($0x0909090909090909, Z21)
	EIGHT($0x1e1e1e1e1e1e1e1e, Z22) // '.' ^ '0'
	EIGHT($0x8080808080808080, Z23)
	EIGHT($-1, Z24)
	EIGHT($1, Z25)
	EIGHT($8, Z26)
	EIGHT($0x010a010a010a010a, Z27) // tens and ones
	EIGHT($0x0001006400010064, Z28) // hundreds and ones
	EIGHT($10000, Z29)
	EIGHT($64, Z18)
	EIGHT($7, Z17)
	EIGHT($6, Z16)
	VMOVDQU64 powers<>(SB), Z30
	VMOVDQU64 bars<>(SB), Y31
	MOVL $1, AX
	VPBROADCASTD AX, Y19
	VPSUBD Y19, Y31, Y19 // the colons stand before the bars

eight:
	VMOVDQU64 (R8), Z0
	VMOVDQU64 64(R8), Z1
	VMOVDQA64 Z31, Z2
	VMOVDQA64 Z19, Z3
	VPERMI2D  Z1, Z0, Z2
	VPERMI2D  Z1, Z0, Z3
	VPMOVZXDQ Y2, Z2
	VPMOVZXDQ Y3, Z3

	// n characters, 1 to 8 of them, none before the buffer.
	VPSUBQ  Z3, Z2, Z4
	VPSUBQ  Z25, Z4, Z4
	VPSUBQ  Z25, Z4, Z5
	VPCMPUQ $1, Z26, Z5, K1
	VPCMPUQ $5, Z26, Z2, K1, K1
	BZHIL   CX, R15, R14
	KMOVB   R14, K2
	KANDB   K2, K1, K1

	KMOVB   K1, K4
	VPXORQ  Z7, Z7, Z7
	VPGATHERQQ -8(SI)(Z2*1), K4, Z7
	VPXORQ  Z20, Z7, Z7
	VPSLLQ  $3, Z4, Z6
	VPSUBQ  Z6, Z18, Z6
	VPSLLVQ Z6, Z24, Z6
	VPANDQ  Z6, Z7, Z7

	// One byte of them may be no digit, if it is a point and not alone.
	VPCMPUB   $6, Z21, Z7, K2
	VPCMPUB   $4, Z22, Z7, K2, K3
	VPMOVM2B  K2, Z8
	VPANDQ    Z23, Z8, Z8
	VPMOVM2B  K3, Z9
	VPTESTNMQ Z9, Z9, K1, K1
	VPSUBQ    Z25, Z8, Z9
	VPTESTNMQ Z9, Z8, K1, K1
	VPTESTMQ  Z8, Z8, K2
	VPCMPEQQ  Z25, Z4, K2, K3
	KANDNB    K1, K3, K1

	// The point is taken out: what stands before it goes up by a byte.
	VPANDNQ  Z9, Z8, Z9
	VPOPCNTQ Z9, Z9
	VPSRLQ   $3, Z9, Z10
	VPSUBQ.Z Z10, Z17, K2, Z11
	VPSLLQ   $3, Z10, Z10
	VPSLLVQ  Z10, Z24, Z12
	VPANDNQ  Z7, Z12, Z13
	VPSLLQ   $8, Z13, Z13
	VPSLLQ   $8, Z12, Z12
	VPANDQ   Z7, Z12, Z12
	VPORQ    Z13, Z12, K2, Z7

	// So are zeros at the end of a fraction.
	VPLZCNTQ Z7, Z13
	VPSRLQ   $3, Z13, Z13
	VPMINUQ  Z11, Z13, Z13
	VPSUBQ   Z13, Z11, Z11
	VPSLLQ   $3, Z13, Z13
	VPSLLVQ  Z13, Z7, Z7
	VPCMPUQ  $2, Z16, Z11, K1, K1

	// Pairs, pairs of pairs, both halves.
	VPMADDUBSW Z27, Z7, Z7
	VPMADDWD   Z28, Z7, Z7
	VPSRLQ     $32, Z7, Z12
	VPMULUDQ   Z29, Z7, Z7
	VPADDQ     Z12, Z7, Z7
	VCVTUQQ2PD Z7, Z12
	VPERMPD    Z30, Z11, Z13
	VDIVPD     Z13, Z12, Z12

	VMOVDQU64 Z7, MANTISSA(DI)
	VMOVDQU64 Z11, SCALE(DI)
	VMOVDQU64 Z12, VALUE(DI)
	KMOVB     K1, AX
	MOVB      AX, (R10)

	ADDQ $128, R8
	ADDQ $64, DI
	INCQ R10
	SUBQ $8, CX
	JG   eight
	VZEROUPPER
	RET
